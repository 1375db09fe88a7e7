"""Whether Redis answers, asked for at most once a second however many ask the API."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.store import Store

__all__ = ["Health"]

_FRESH_S = 1.0
_WITHIN_S = 2.0


class Health:
    """What Redis last answered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._is_well = False
        self._asked_s = -_FRESH_S

    async def is_well(self) -> bool:
        """Whether Redis answers within two seconds, or did so within the last second."""
        async with self._lock:
            if time.monotonic() - self._asked_s >= _FRESH_S:
                self._is_well = await self._store.answers(_WITHIN_S)
                self._asked_s = time.monotonic()
        return self._is_well
