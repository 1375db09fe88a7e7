"""A time for several waits together, in which only these waits count, and not what is done in between."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Patience"]


class Patience:
    """The seconds that are left for waits on one party, such as a cell that takes or gives many pieces."""

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds

    @contextmanager
    def spent(self) -> Iterator[float]:
        """Count what happens in the block. Gives the seconds that are left for it."""
        began = time.monotonic()
        try:
            yield max(0.0, self.left_s)
        finally:
            self.left_s -= time.monotonic() - began
