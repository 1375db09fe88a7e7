"""What the kernel of this host holds for its programs, in whosever account or in nobody's.

Free memory itself would do on an idle machine. Other programs come and go, so that only what the kernel holds
for itself is looked at: slabs that can't be reclaimed, buffers of sockets, tables of pages, what it maps for
itself. Of these a cell's share counts as the cell's memory, or is what must not be.
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
#: So many measurements in a row make what is held, and no passing peak of other programs.
_LASTING = 8
_MEMORY = re.compile(r"^(?:SUnreclaim|VmallocUsed|PageTables):\s+(\d+) kB$", re.MULTILINE)
_SOCKETS = re.compile(r"\bmem (\d+)$", re.MULTILINE)


class Held:
    """Follows what the kernel holds."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=_LASTING)
        self._most = self._before = _held_bytes()

    @property
    def most_bytes(self) -> int:
        """The most that lasted, above what there was before."""
        return self._most - self._before

    def measure(self) -> None:
        """Look once more."""
        self._last.append(_held_bytes())
        if len(self._last) == _LASTING:
            self._most = max(self._most, min(self._last))


@contextmanager
def holding() -> Iterator[Held]:
    """Follow it while the block runs."""
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
