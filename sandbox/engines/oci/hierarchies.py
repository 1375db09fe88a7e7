"""Hides the control groups of version 2 on a host that has both versions mounted."""

from __future__ import annotations

from pathlib import Path

from sandbox.engines.oci.kernel import MS_BIND, MS_MOVE, mount

__all__ = ["hide_version_2"]

_ROOT = Path("/sys/fs/cgroup")
_UNIFIED = _ROOT / "unified"


def hide_version_2() -> None:
    """Leave only version 1 in the calling thread's mount namespace, if the host has both.

    crun refuses to run with both. Without the mount, but with its folder, it would leave a folder there for
    each cell. So a new file system takes the place of the old one, with all hierarchies but that one.

    Raises:
        OSError: the kernel refuses.
    """
    if not _UNIFIED.is_mount():
        return
    old = [path for path in _ROOT.iterdir() if path != _UNIFIED]
    mount("tmpfs", str(_UNIFIED), "tmpfs", 0, "mode=755")
    for path in old:
        place = _UNIFIED / path.name
        if path.is_symlink():
            place.symlink_to(path.readlink())
        elif path.is_mount():
            place.mkdir()
            mount(str(path), str(place), "none", MS_BIND)
    mount(str(_UNIFIED), str(_ROOT), "none", MS_MOVE)
