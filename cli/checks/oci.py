"""The engine `oci`: whether its runtime answers, and whether cells can have ids and folders of their own."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cli.checks.finding import ok, problem
from config import load_settings
from sandbox.engines.oci.engine import OciEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding
    from config import Settings

__all__ = ["runtime"]

_SIZE = 65_536


def runtime() -> Iterator[Finding]:
    """The OCI runtime answers, this user may use it, and cells can enter their images."""
    settings = load_settings()
    yield ok(f"{OciEngine(settings).version()}, with no daemon in between")
    if os.geteuid() != 0:
        yield problem(
            "the engine oci needs root on this host", "run the worker as root, or CELLBLOCK_ENGINE=docker"
        )
    yield from _ids(settings)
    closed = [path for path in (settings.store, *settings.store.parents) if not _is_open(path)]
    if closed:
        yield problem(f"cells can't enter {closed[0]}, where their images are", f"chmod o+x {closed[0]}")


def _ids(settings: Settings) -> Iterator[Finding]:
    first, last = settings.uid_bounds
    count = (last - first + 1) // _SIZE
    if count < 1:
        yield problem(
            f"CELLBLOCK_UID_RANGE={settings.uid_range} has fewer ids than one cell needs", "65536 or more"
        )
    else:
        yield ok(f"{count} cells at a time can have host ids of their own")


def _is_open(path: Path) -> bool:
    """Whether every user may enter the folder, if it is there: to the host, a cell's user owns nothing."""
    return not path.exists() or bool(path.stat().st_mode & stat.S_IXOTH)
