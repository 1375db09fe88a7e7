"""A copy of a program in memory that nobody can change."""

from __future__ import annotations

import fcntl
import os
from functools import cache
from pathlib import Path

__all__ = ["sealed"]

# <linux/memfd.h>, since Linux 6.3: the file may be executed, whatever the system's default is.
_MFD_EXEC = 0x10
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed(program: str) -> str:
    """The path of the copy, which exists as long as this process. It is made anew if the program has changed.

    crun and runc protect themselves from their containers (CVE-2019-5736) by such a copy. If they
    are started from it, they need not make one for each cell.

    Raises:
        OSError: the program can't be read.
    """
    about = Path(program).stat()
    descriptor = _copy(program, about.st_dev, about.st_ino, about.st_mtime_ns)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


@cache
def _copy(program: str, *_version: int) -> int:
    copy = _memory_file(Path(program).name)
    with Path(program).open("rb") as source:
        while os.sendfile(copy, source.fileno(), None, 1 << 30):
            pass
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    return copy


def _memory_file(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError:
        return os.memfd_create(name, flags)
