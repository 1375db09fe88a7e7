"""A folder for each cell of this host. It is written before any other part of the cell is made."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.oci.folder_lock import is_locked, locked
from sandbox.engines.small_files import read_small, write_small

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

__all__ = ["CellFolder", "CellFolders", "images_in_use", "is_cell_name", "modified"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STEP_S = 0.005
#: More than the files of one cell take.
_CELL_BYTES = 128 << 10


@dataclass(frozen=True, slots=True)
class CellFolder:
    """The folder of one cell: its labels and its bundle.

    The runtime holds a lock on it while it makes the cell, even if its worker has been killed.
    """

    path: Path

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.path.name

    def labels(self) -> dict[str, str]:
        """The labels. They are empty if they were not written, or are not valid."""
        try:
            labels = json.loads((self.path / "labels.json").read_text())
        except (OSError, ValueError):
            return {}
        is_labels = isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values())
        return labels if is_labels else {}

    @property
    def group(self) -> str | None:
        """The path of the cell's control group, if it was written."""
        try:
            path = read_small(self.path / "group").decode()
        except FileNotFoundError:
            return None
        # Never another group: everything in it is killed.
        return path if path.endswith(f"/{self.name}") else None

    @property
    def made(self) -> float:
        """When the folder was made, in Unix seconds; infinity if it is gone."""
        return modified(self.path)

    def in_the_making(self) -> AbstractContextManager[int]:
        """A descriptor that holds the lock for as long as any process has it open."""
        return locked(self.path, shared=True)

    def await_made(self, until: float) -> bool:
        """Wait until no runtime is making the cell, but only until `until`, a time of the monotonic clock.

        Returns whether no runtime is making it.
        """
        while self.path.exists() and is_locked(self.path):
            if time.monotonic() > until:
                return False
            time.sleep(_STEP_S)
        return True


class CellFolders:
    """The folders of all cells of one deployment on this host. All deployments share the ranges of ids."""

    def __init__(self, root: Path, owner: str) -> None:
        self.ids = root / "ids"
        self.runtime = root / owner / "runtime"
        self._cells = root / owner / "cells"
        self._mounts = root / owner / "mounts"

    def prepare(self) -> None:
        """Make the folders that hold the cells' folders.

        Raises:
            OSError: this user has no permission.
        """
        own = self._mounts.parent
        for folder in (own.parent, own, self._mounts):
            _make_passable(folder)
        for folder in (self.ids, self.runtime, self._cells):
            folder.mkdir(mode=0o700, exist_ok=True)

    def are_full(self) -> bool:
        """Whether their file system has no room for the files of another cell."""
        room = os.statvfs(self.ids)
        return room.f_bavail * room.f_frsize < _CELL_BYTES or (room.f_files > 0 and room.f_favail == 0)

    def make(self, name: str, labels: Mapping[str, str], group: str, image_id: str) -> CellFolder:
        """A new folder, with the labels, the path of the control group and the id of the image in it."""
        folder = self.of(name)
        own = os.fspath(folder.path)
        folder.path.mkdir(mode=0o700)
        # Another worker, which may have to remove the cell, can have a parent group of its own.
        write_small(f"{own}/group", group)
        write_small(f"{own}/image", image_id)
        write_small(f"{own}/labels.json", json.dumps(dict(labels)))
        return folder

    def of(self, name: str) -> CellFolder:
        """The folder of the cell called `name`, which may not exist."""
        return CellFolder(self._cells / name)

    def mounts_of(self, name: str) -> Path:
        """The folder below which the launcher mounts the root and the devices of a cell."""
        return self._mounts / name

    def forget(self, name: str) -> None:
        """Remove the folders of a cell that is gone: those of the runtime and the mounts, then the cell's.

        With the folder of the mounts, the mounts themselves vanish from the launcher's namespace.

        Once the control group is gone, the runtime's own `delete` does no more than this. It is slower,
        because a program must be started.
        """
        with suppress(FileNotFoundError):
            self.mounts_of(name).rmdir()
        for folder in (self.runtime / name, self._cells / name):
            _remove(folder)

    def all(self) -> Iterator[CellFolder]:
        """All folders that exist."""
        with suppress(FileNotFoundError):
            yield from (CellFolder(path) for path in self._cells.iterdir() if path.is_dir())


def is_cell_name(name: str) -> bool:
    """Whether `name` can be a cell's name: one part of a path."""
    return _NAME.fullmatch(name) is not None


def modified(path: Path) -> float:
    """When the file or folder was last changed, in Unix seconds; infinity if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _remove(folder: Path) -> None:
    """Remove a folder with its files. This takes half the time of `rmtree`, which is for all other cases."""
    try:
        with os.scandir(folder) as files:
            for file in files:
                os.unlink(file)  # noqa: PTH108  a path is made for each file otherwise
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


def _make_passable(folder: Path) -> None:
    """Make a folder through which every user may go, whatever the umask. One that is there stays as it is.

    To the host, a runtime that makes a cell is a user who owns nothing, once it has the cell's ids.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)


def images_in_use(root: Path) -> Iterator[str]:
    """The ids of the images of all cells whose folders are under `root`, whatever their deployment.

    Raises:
        PermissionError: this user can't read them all.
    """
    for owner in _listed(root):
        for cell in _listed(owner / "cells"):
            with suppress(FileNotFoundError, NotADirectoryError):
                yield (cell / "image").read_text()


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
