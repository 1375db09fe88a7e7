"""The engine oci with folders of its own, and a runtime that a test may take away, hold up or make fail."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from config import load_settings
from sandbox.engines.oci.engine import OciEngine
from sandbox.engines.oci.ids import IdRanges
from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.store import Store
from sandbox.errors import EngineFailed
from sandbox.labels import STATE, TASK, WORKER
from tests.chaos.cell_log import CellLog, CellStart

if TYPE_CHECKING:
    from collections.abc import Iterable

    import docker

__all__ = ["OciCellWatch", "PrivateOci", "WrappedRuntime"]

_GROUPS = Path("/sys/fs/cgroup")
_LOOK_S = 0.05
_STATE_BYTES = 8 << 20
#: So few that a test can take all of them.
_RANGES = 64
_FIRST_ID = 1_200_000_000
_IDS = f"{_FIRST_ID}-{_FIRST_ID + _RANGES * 65_536 - 1}"
_BALLAST = "ballast"

# A token beside the program makes one call fail: before the runtime starts, or after it has made the cell.
_PROGRAM = """#!/bin/sh
while [ -e "$0.held" ]; do sleep 0.1; done
case " $* " in
  *' run '*)
    for token in "$0".refuse.*; do rm "$token" 2>/dev/null && exit 1; done
    for token in "$0".late.*; do rm "$token" 2>/dev/null && { RUNTIME "$@"; exit 1; }; done ;;
esac
exec RUNTIME "$@"
"""


class WrappedRuntime:
    """A runtime's program in `folder`, for one worker."""

    def __init__(self, folder: Path, runtime: str) -> None:
        folder.mkdir()
        self.program = folder / runtime
        self.program.write_text(_PROGRAM.replace("RUNTIME", shutil.which(runtime) or runtime))
        self.program.chmod(0o755)
        self._away = folder / f"{runtime}.away"
        self._held = folder / f"{runtime}.held"

    def take_away(self) -> None:
        """Remove the program, as an upgrade of its package does for a moment."""
        if self.program.exists():
            self.program.rename(self._away)

    def hold(self) -> None:
        """Let every call wait before it begins."""
        self._held.touch()

    def fail(self, calls: int, *, late: bool) -> None:
        """Let so many calls fail. With `late` each makes its cell before."""
        for number in range(calls):
            self.program.with_name(f"{self.program.name}.{'late' if late else 'refuse'}.{number}").touch()

    def mend(self) -> None:
        """Let every call be as it should be."""
        if self._away.exists():
            self._away.rename(self.program)
        self._held.unlink(missing_ok=True)
        for token in self.program.parent.glob(f"{self.program.name}.*.*"):
            token.unlink(missing_ok=True)


class PrivateOci:
    """A store, and a small file system for the state folder. A context; needs root."""

    def __init__(self, folder: Path, owner: str, runtime: str) -> None:
        self.state, self.owner, self.runtime = folder / "state", owner, runtime
        self._folder = folder
        self._store = folder / "store"
        self._settings = load_settings(**self._places(), owner=owner, oci_runtime=runtime)

    def __enter__(self) -> Self:
        for folder in (self.state, self._store):
            folder.mkdir()
        size = f"size={_STATE_BYTES},mode=711"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.state)], check=True)
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Remove everything, whatever the run has left."""
        self.empty_state()
        engine = OciEngine(self._settings)
        for cell in self.cells():
            with suppress(EngineFailed):
                engine.remove(cell)
        subprocess.run(["umount", "--lazy", str(self.state)], check=False)
        for group in self._groups(f"cellblock-{self.owner}"):
            with suppress(OSError):
                group.rmdir()
        shutil.rmtree(self._folder, ignore_errors=True)

    def load(self, source: docker.APIClient, images: Iterable[str]) -> None:
        """Copy images from a container engine."""
        for name in images:
            OciImages(Store(self._store)).load(source.get_image(name))

    def settings_of(self, program: WrappedRuntime) -> dict[str, str]:
        """The environment of a worker that calls this program."""
        named = self._places() | {"oci_runtime": str(program.program)}
        return {f"CELLBLOCK_{name.upper()}": value for name, value in named.items()}

    def fill_state(self) -> None:
        """Leave no room in the state folder."""
        with suppress(OSError), (self.state / _BALLAST).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def empty_state(self) -> None:
        """Make room again."""
        (self.state / _BALLAST).unlink(missing_ok=True)

    def take_ids(self) -> None:
        """Leave no range of ids for any cell."""
        with suppress(EngineFailed):
            while True:
                self._ranges().take(_BALLAST)

    def give_back_ids(self) -> None:
        """Give all of them back."""
        ranges = self._ranges()
        # A cell has one range, and gives back no more than that.
        for _ in range(ranges.count):
            ranges.give_back(_BALLAST)

    def remove(self, cell: str) -> None:
        """Remove a cell as an operator may do by mistake."""
        OciEngine(self._settings).remove(cell)

    def watch(self) -> OciCellWatch:
        """A watch of all cells."""
        return OciCellWatch(OciEngine(self._settings))

    def cells(self) -> list[str]:
        """The names of all cells, in any state."""
        return [cell.name for cell in OciEngine(self._settings).list()]

    def remains(self) -> list[str]:
        """What of any cell is left: control groups, mounts, ids, the runtime's own folders, processes."""
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        own = self.state / self.owner
        return [
            *map(str, self._groups(f"cellblock-{self.owner}/*/")),
            *(path for path in mounts if path.startswith(f"{self._folder}/") and path != str(self.state)),
            *map(str, (*self.state.glob("ids/*"), *own.glob("cells/*"), *own.glob("runtime/*"))),
            *(f"process {one.pid}" for one in psutil.process_iter(["cmdline"]) if self._is_runtime(one)),
        ]

    def _is_runtime(self, process: psutil.Process) -> bool:
        words = process.info["cmdline"] or ()
        return any(word.startswith(f"{self._folder}/runtime-") for word in words)

    def _groups(self, pattern: str) -> list[Path]:
        return [*_GROUPS.glob(pattern), *_GROUPS.glob(f"*/{pattern}")]

    def _ranges(self) -> IdRanges:
        return IdRanges(self.state / "ids", *self._settings.uid_bounds)

    def _places(self) -> dict[str, str]:
        return {"engine": "oci", "store": str(self._store), "state": str(self.state), "uid_range": _IDS}


class OciCellWatch(CellLog):
    """Looks at all cells again and again. A context."""

    def __init__(self, engine: OciEngine) -> None:
        super().__init__()
        self._engine = engine
        self._running: set[str] = set()

    def _work(self) -> None:
        while not self._closing.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        found = {cell.name: cell.labels.written for cell in self._engine.list() if cell.dead_since is None}
        now = time.time()
        for name, labels in found.items():
            if labels.get(STATE) == "job":
                self.note_start(CellStart(labels[TASK], labels[WORKER], name, now))
        for name in self._running - found.keys():
            self.note_end(name, now)
        self._running = set(found)
