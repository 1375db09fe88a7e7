"""The root and the devices of one cell, which has both for itself, and the folders of its runtime."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engines.oci.kernel import MS_NOEXEC, MS_NOSUID, MS_RDONLY, mount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CellMounts", "make_mounts"]

_ROOM = "mode=711,size=512k,nr_inodes=128"
_NODES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_LINKS = {
    "fd": "/proc/self/fd",
    **{name: f"/proc/self/fd/{number}" for number, name in enumerate(("stdin", "stdout", "stderr"))},
    "ptmx": "pts/ptmx",
}
# Below the place of a cell. What lies in `added` lies over the image. The cell mounts file systems of its own
# in the folders of `dev`, to each of which runc gives the mode of its folder.
_FOLDERS = {
    "root": 0o755,
    "bundle": 0o700,
    "state": 0o700,
    "added": 0o755,
    "added/etc": 0o755,
    "dev": 0o755,
    "dev/pts": 0o755,
    "dev/shm": 0o1777,
    "dev/mqueue": 0o755,
}
_HOSTS = "127.0.0.1 localhost cell\n"


@dataclass(frozen=True, slots=True)
class CellMounts:
    """The paths in the launcher's mount namespace. Without `dev`, the runtime makes the cell's /dev.

    `bundle` is for the runtime's orders, and `state` for what it notes.
    """

    rootfs: Path
    dev: Path | None
    bundle: Path
    state: Path


def make_mounts(place: Path, image: Path) -> CellMounts:
    """Mount a cell's root and devices below `place`, with folders for the runtime. For the launcher's thread.

    A lock (flock) and a watch (inotify) belong to an inode. An overlay gives each cell inodes of its own for
    the image's files, whose pages are shared in memory. All is undone when the folder `place` is removed, or
    with the launcher's process.

    Raises:
        OSError: the kernel refuses.
    """
    place.mkdir()
    mount("tmpfs", str(place), "tmpfs", MS_NOSUID | MS_NOEXEC, _ROOM)
    # What the runtime writes stays in memory: it vanishes with the mount, and no disk is waited for.
    mounts = CellMounts(place / "root", place / "dev", place / "bundle", place / "state")
    with _opened(place) as own, _no_umask():
        for name, mode in _FOLDERS.items():
            os.mkdir(name, mode, dir_fd=own)
        # Not every image has a file that names the loopback and the cell.
        _write("added/etc/hosts", _HOSTS, own)
        _make_devices(own)
        _mount_root(mounts.rootfs, image, place / "added")
    return mounts


def _mount_root(root: Path, image: Path, added: Path) -> None:
    with _opened(image) as lower, _opened(added) as upper:
        # Without a folder for changes, an overlay needs two others. The cell can read these names.
        layers = f"lowerdir=/proc/self/fd/{upper}:/proc/self/fd/{lower}"
        mount("overlay", str(root), "overlay", MS_RDONLY, layers)


def _make_devices(own: int) -> None:
    for name, (major, minor) in _NODES.items():
        os.mknod(f"dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(major, minor), dir_fd=own)
    for name, target in _LINKS.items():
        os.symlink(target, f"dev/{name}", dir_fd=own)


def _write(name: str, text: str, own: int) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644, dir_fd=own)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


@contextmanager
def _no_umask() -> Iterator[None]:
    # The launcher's thread has a mount namespace of its own, and so a umask of its own.
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
