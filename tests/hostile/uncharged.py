"""Measures the memory that the kernel holds for programs, whether it is charged to a cgroup or not.

On an idle machine free memory would be enough. Because other programs start and end, only the kernel's own
memory is measured: unreclaimable slabs, socket buffers, page tables and vmalloc areas. The part that a cell
causes must be charged to the cell, or must not exist.
"""

from __future__ import annotations

import mmap
import re
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Held", "holding"]

_EVERY_S = 0.05
#: A value counts only if this many measurements in a row reach it. Short peaks of other programs do not.
_LASTING = 8
_MEMORY = re.compile(r"^(?:SUnreclaim|VmallocUsed|PageTables):\s+(\d+) kB$", re.MULTILINE)
_SOCKETS = re.compile(r"\bmem (\d+)$", re.MULTILINE)


class Held:
    """Follows the kernel's memory."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=_LASTING)
        self._most = self._before = _held_bytes()

    @property
    def most_bytes(self) -> int:
        """The largest lasting increase since the start, in bytes."""
        return self._most - self._before

    def measure(self) -> None:
        """Measure once more."""
        self._last.append(_held_bytes())
        if len(self._last) == _LASTING:
            self._most = max(self._most, min(self._last))


@contextmanager
def holding() -> Iterator[Held]:
    """Measure repeatedly while the block runs."""
    held, over = Held(), threading.Event()

    def follow() -> None:
        while not over.wait(_EVERY_S):
            held.measure()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()


def _held_bytes() -> int:
    kib = sum(map(int, _MEMORY.findall(Path("/proc/meminfo").read_text())))
    pages = sum(map(int, _SOCKETS.findall(Path("/proc/net/sockstat").read_text())))
    return kib * 1024 + pages * mmap.PAGESIZE
