"""The engine `oci`: whether its runtime answers, and whether cells can have ids and folders of their own."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cli.checks.finding import ok, problem, warning
from config import load_settings
from sandbox.engines.oci.apparmor import is_enabled, loaded_profile
from sandbox.engines.oci.engine import OciEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding

__all__ = ["runtime"]


def runtime() -> Iterator[Finding]:
    """The OCI runtime answers, this user may use it, and cells can enter their mounts."""
    settings = load_settings()
    engine = OciEngine(settings)
    yield ok(f"{engine.version()}, with no daemon in between")
    yield ok(f"{engine.most_cells} cells at a time can have host ids of their own")
    engine.require_rights()
    if is_enabled() and loaded_profile() is None:
        yield warning(
            "cells are confined by no AppArmor profile",
            "apparmor_parser --replace deploy/apparmor/cellblock-cell",
        )
    if not _is_in_memory(settings.state):
        yield warning(
            f"{settings.state} is on a disk, and each cell waits for it",
            f"mount -t tmpfs -o mode=711 tmpfs {settings.state}",
        )
    # Root mounts each cell's image in the state folder. For others, cells use the one in the store.
    used = settings.state if os.geteuid() == 0 else settings.store
    closed = [path for path in (used, *used.parents) if not _is_open(path)]
    if closed:
        yield problem(f"cells can't enter {closed[0]}, where their files are", f"chmod o+x {closed[0]}")
    # Root's overlay is a mount of its own.
    if os.geteuid() != 0 and not _may_be_executed(settings.store):
        yield problem(
            f"no image's program may be executed: {settings.store} is mounted noexec",
            "CELLBLOCK_STORE: a folder on another file system",
        )


def _may_be_executed(folder: Path) -> bool:
    return not folder.exists() or not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _is_in_memory(folder: Path) -> bool:
    """Whether the folder is on a tmpfs, or would be if it were made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    number = there.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return any(words[2] == device and words[words.index("-") + 1] == "tmpfs" for words in mounts)


def _is_open(path: Path) -> bool:
    """Whether every user may enter the folder, if it is there: to the host, a cell's user owns nothing."""
    return not path.exists() or bool(path.stat().st_mode & stat.S_IXOTH)
