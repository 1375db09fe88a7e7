"""A lock on a folder, which all processes of a host see. The kernel frees it when its last holder ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["is_locked", "locked"]


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[int]:
    """Hold the lock alone, or with others that share it. Waits until that is possible.

    Gives the descriptor. A process that inherits it holds the lock for as long as it has it open.
    """
    descriptor = _opened(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether any process holds the lock. A folder that is gone is one that its holder has removed."""
    try:
        descriptor = _opened(folder)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
