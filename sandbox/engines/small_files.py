"""Reads and writes small files in a fraction of the time that `Path` takes. Every job waits for some."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_small", "write_small"]

# The kernel gives each of its own files in one piece, of some 2 KB at most.
_MOST_BYTES = 64 << 10


def read_small(file: str | Path) -> bytes:
    """The content of a file of at most 64 KiB.

    Raises:
        OSError: it can't be read.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def write_small(file: str | Path, text: str) -> None:
    """Write `text` to a file, in one piece. A file that is not there is made.

    Raises:
        OSError: it can't be made, or not be written in one piece.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        data = text.encode()
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
    finally:
        os.close(descriptor)
