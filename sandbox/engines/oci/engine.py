"""Cells that an OCI runtime makes on this host, with no daemon in between."""

from __future__ import annotations

import io
import os
import platform
import time
from contextlib import ExitStack, nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, NoReturn

from sandbox.cell import CellInfo
from sandbox.engines.engine import FoundCell, OpenCell
from sandbox.engines.oci.bundle import oci_config
from sandbox.engines.oci.cell import OciCell
from sandbox.engines.oci.cgroup import CellGroup, group_names
from sandbox.engines.oci.delegation import cells_parent, delegated_group
from sandbox.engines.oci.grace_period import GracePeriod
from sandbox.engines.oci.ids import IdRanges
from sandbox.engines.oci.launcher import this_launcher
from sandbox.engines.oci.mounts import CellMounts, make_mounts
from sandbox.engines.oci.rlimits import cell_rlimits
from sandbox.engines.oci.runtime import OciRuntime
from sandbox.engines.oci.state import CellFolders, is_cell_name
from sandbox.engines.oci.store import Store
from sandbox.engines.oci.subids import require_ids
from sandbox.engines.oci.user_namespace import make_user_namespace, path_of
from sandbox.errors import EngineFailed, EngineUnfit, EngineUnreachable
from sandbox.labels import STATE, FoundLabels
from sandbox.meter import measure
from sandbox.profile import CpuQuota, by_operator, cell_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from config import Settings
    from config.hosts import Host
    from sandbox.engines.engine import CellSpec, Stream
    from sandbox.engines.oci.ids import IdRange
    from sandbox.engines.oci.state import CellFolder
    from sandbox.engines.oci.store import StoredImage
    from sandbox.limits import Limits

__all__ = ["OciEngine"]

_STEP_S = 0.005
_OWN_END_S = 0.1


class OciEngine:
    """Makes hardened containers with crun or runc. Folder and control group have the cell's name."""

    # A removal takes a few milliseconds, by which it would delay a job's result.
    removes_slowly = True
    makes_slowly = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.store)
        self._folders = CellFolders(settings.state, settings.owner)
        self._ids = IdRanges(self._folders.ids, *settings.uid_bounds)
        self._runtime = OciRuntime(settings.oci_runtime or "crun", settings.engine_margin)
        self._grace_period = GracePeriod()

    def make(self, spec: CellSpec) -> OpenCell:
        """Make and start a container.

        Raises:
            SandboxUnavailable: no image, or the runtime or the host failed.
        """
        self._prepare()
        try:
            image, folder = self._begin(spec)
            streams = self._make(spec, image, folder)
        except (OSError, EngineFailed) as error:
            if self._folders.are_full():
                raise EngineUnfit(f"There is no room in {self._settings.state}. Try: free some.") from error
            if isinstance(error, EngineFailed):
                raise
            raise EngineFailed(f"The host could not make a cell: {error.strerror}.") from error
        measure("cellblock_cells_made_total", runtime=spec.runtime.name, state=spec.labels[STATE])
        info = CellInfo("oci", self._runtime.name, image.name, image.id, spec.name)
        return OpenCell(spec.name, info, streams, group=f"{self._parent}/{spec.name}")

    def cell(self, opened: OpenCell) -> OciCell:
        """The conversation with a container, over its three pipes."""
        group = CellGroup(opened.group) if opened.group else self._group(opened.name)
        return OciCell(opened, group, self._settings.engine_margin)

    def adopt(self, descriptors: Sequence[int]) -> tuple[Stream, ...]:
        """The pipes of a container that another process has made."""
        return _files(*descriptors)

    def adapt(self, opened: OpenCell, limits: Limits) -> None:
        """Change the memory and CPU limits of a running container."""
        cpu = CpuQuota.of(limits)
        try:
            self._group(opened.name).set_limits(limits.memory_bytes, cpu.quota_us, cpu.period_us)
        except OSError as error:
            raise EngineFailed(f"The limits of a warm cell can't be changed: {error.strerror}.") from error

    def open_egress(
        self, cell: str, hosts: Sequence[Host], limits: Limits, labels: Mapping[str, str]
    ) -> NoReturn:
        """Raise `EngineFailed`: a request with a list of hosts is refused before it gets here."""
        raise EngineFailed("The oci engine can't keep a job to a list of hosts.")

    def remove(self, name: str, *, ends: bool = False) -> None:
        """Kill and remove a container and its files, and make sure that it is gone.

        If its streams have just been closed, so that it `ends` by itself, it is given a moment for that.

        Raises:
            EngineFailed: one of its processes still exists after the engine's margin.
        """
        if not is_cell_name(name):
            raise EngineFailed("That is no name of a cell.")
        group = self._group(name)
        until = time.monotonic() + self._settings.engine_margin
        if not self._folders.of(name).await_made(until):
            raise EngineFailed(f"The OCI runtime still makes {name}.")
        if ends:
            # Its supervisor ends by itself once its streams are closed. To freeze and kill it takes longer.
            group.await_end(_OWN_END_S)
        while not group.remove():
            if time.monotonic() > until:
                raise EngineFailed(f"The processes of {name} could not be killed.")
            if group.is_empty:
                time.sleep(_STEP_S)
            group.kill()
            group.await_end(_STEP_S)
        # The folder is removed last, because a reaper finds a cell by its folder.
        self._ids.give_back(name)
        self._folders.forget(name)

    def list(self) -> list[FoundCell]:
        """The containers that have a folder or a control group. They may not be complete yet."""
        # If a worker is killed, its runtime may make a group after a reaper has removed the folder.
        names = {folder.name for folder in self._folders.all()} | set(group_names(self._parent))
        return [self._found(self._folders.of(name)) for name in names]

    def now(self) -> float:
        """The host's clock.

        Raises:
            EngineUnreachable: no cell can be made here, or not by this user.
        """
        self.require_rights()
        self._prepare()
        return time.time()

    def require_rights(self) -> None:
        """Return if this user may give ids to cells and limit them, and the runtime can. Changes nothing.

        Raises:
            EngineUnreachable: one of them may not or can't.
        """
        self._runtime.require_user()
        require_ids(*self._settings.uid_bounds)
        delegated_group()

    def version(self) -> str:
        """The first line of the runtime's own version text.

        Raises:
            EngineUnreachable: it does not answer.
        """
        return self._runtime.version()

    @property
    def most_cells(self) -> int:
        """How many cells of this host can have ids of their own at a time."""
        return self._ids.count

    def ping(self) -> None:
        """Return if the runtime's program answers."""
        self.version()

    def close(self) -> None:
        """Do nothing: nothing is kept open between calls."""

    def _prepare(self) -> None:
        try:
            self._folders.prepare()
        except OSError as error:
            raise EngineUnreachable(
                f"The folder {self._settings.state} can't be used ({error.strerror})."
                " Try: run the worker as root, or set CELLBLOCK_STATE to a folder of its user."
            ) from error

    @cached_property
    def _parent(self) -> str:
        """The control group of all cells that this process makes."""
        return cells_parent(self._settings.owner)

    def _group(self, name: str) -> CellGroup:
        return CellGroup(self._folders.of(name).group or f"{self._parent}/{name}")

    def _begin(self, spec: CellSpec) -> tuple[StoredImage, CellFolder]:
        """The cell's image and folder. Nobody removes the image from then on, because the folder names it."""
        group = f"{self._parent}/{spec.name}"
        # Not earlier: a delegated group's processes may just have been moved, and this names their new group.
        self._grace_period.begin()
        with self._store.held():
            image = self._store.choose(spec.runtime)
            self._store.note_state(self._settings.state)
            return image, self._folders.make(spec.name, spec.labels, group, image.id)

    def _make(self, spec: CellSpec, image: StoredImage, folder: CellFolder) -> tuple[Stream, ...]:
        profile = cell_profile(
            image=image.id,
            limits=spec.limits,
            labels={},
            env=spec.runtime.environment(spec.limits.memory_bytes),
            volumes=image.volumes,
            **by_operator(self._settings),
        )
        ids, group = self._ids.take(spec.name), f"{self._parent}/{spec.name}"
        namespace, mounts = self._apart(folder, image, ids)
        with ExitStack() as undone, namespace or nullcontext():
            config = oci_config(
                profile,
                mounts=mounts,
                image_env=image.env,
                ids=ids,
                user_namespace=path_of(namespace) if namespace else None,
                cgroup=group,
                machine=platform.machine(),
            )
            limits = cell_rlimits(profile.ulimits)
            streams = _started(partial(self._runtime.start, folder, mounts, config, limits))
            self._grace_period.note_move()
            for stream in streams:
                undone.callback(stream.close)
            CellGroup(group).bound_sockets(profile.socket_bytes)
            undone.pop_all()
        return streams

    def _apart(
        self, folder: CellFolder, image: StoredImage, ids: IdRange
    ) -> tuple[io.FileIO | None, CellMounts]:
        """The cell's own user namespace, and its own root and devices.

        For a user who is not root, the runtime makes the namespace with newuidmap, and cells share inodes.
        """
        if os.geteuid() != 0:
            return None, CellMounts(image.rootfs, None, folder.path, self._folders.runtime)
        place = self._folders.mounts_of(folder.name)
        return this_launcher().do(lambda: (make_user_namespace(ids), make_mounts(place, image.rootfs)))

    def _found(self, folder: CellFolder) -> FoundCell:
        group = self._group(folder.name)
        made = folder.made if folder.path.exists() else group.made
        return FoundCell(
            folder.name, FoundLabels(folder.labels()), (lambda: made) if group.is_empty else None
        )


def _started(start: Callable[[tuple[int, int, int]], None]) -> tuple[Stream, ...]:
    """Start a container with pipes that its supervisor may open again."""
    with ExitStack() as theirs, ExitStack() as ours:
        pipes = [os.pipe() for _ in range(3)]
        (orders_in, orders), (out, out_in), (err, err_in) = pipes
        for descriptor in (orders_in, out_in, err_in):
            theirs.callback(os.close, descriptor)
        streams = _files(orders, out, err)
        for stream in streams:
            ours.callback(stream.close)
        for descriptor in (orders_in, out_in, err_in):
            # Only pipes: crun changes the owner of every stream, even if it is the host's /dev/null.
            # Nobody outside of the cell and its worker finds a pipe: it has no name.
            os.fchmod(descriptor, 0o666)
        start((orders_in, out_in, err_in))
        ours.pop_all()
    return streams


def _files(orders: int, out: int, err: int) -> tuple[Stream, ...]:
    return (
        io.FileIO(orders, "w"),
        io.FileIO(out, "r"),
        io.FileIO(err, "r"),
    )
