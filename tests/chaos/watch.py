"""What the watches of a chaos run have in common."""

from __future__ import annotations

import threading
from typing import Self

__all__ = ["Watch"]


class Watch:
    """Works in a thread of its own until the context ends. A subclass's `_work` stops at `_closing`."""

    def __init__(self, name: str) -> None:
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._thread.join()

    def _work(self) -> None:
        raise NotImplementedError
