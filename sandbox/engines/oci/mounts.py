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
# The cell mounts file systems of its own there. runc gives each of them the mode of its folder.
_MOUNT_POINTS = {"pts": 0o755, "shm": 0o1777, "mqueue": 0o755}
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
    for folder in (mounts.bundle, mounts.state):
        folder.mkdir(mode=0o700)
    mounts.rootfs.mkdir()
    added = _make_hosts(place / "added")
    with _opened(image) as lower, _opened(added) as upper:
        # Without a folder for changes, an overlay needs two others. The cell can read these names.
        layers = f"lowerdir=/proc/self/fd/{upper}:/proc/self/fd/{lower}"
        mount("overlay", str(mounts.rootfs), "overlay", MS_RDONLY, layers)
    _make_devices(place / "dev")
    return mounts


def _make_hosts(added: Path) -> Path:
    """A folder to lie over the image. Not every image has a file that names the loopback and the cell."""
    hosts = added / "etc/hosts"
    hosts.parent.mkdir(parents=True)
    hosts.write_text(_HOSTS)
    for path in (added, hosts.parent):
        path.chmod(0o755)
    hosts.chmod(0o644)
    return added


def _make_devices(dev: Path) -> None:
    # The launcher's thread has a mount namespace of its own, and so a umask of its own.
    before = os.umask(0)
    try:
        dev.mkdir(0o755)
        for name, (major, minor) in _NODES.items():
            os.mknod(dev / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
        for name, target in _LINKS.items():
            (dev / name).symlink_to(target)
        for name, mode in _MOUNT_POINTS.items():
            (dev / name).mkdir(mode)
    finally:
        os.umask(before)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
