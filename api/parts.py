"""What the handlers share: made when the API starts, closed when it ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.arrivals import Arrivals
from api.blob_store import Blobs
from api.budget import Budget, Open
from api.health import Health
from api.sending import Sender
from api.store import Store
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.callers import Callers

__all__ = ["Parts", "most_body_bytes", "open_parts"]

_MIB = 1 << 20


def most_body_bytes() -> int:
    """The size of the largest body: it has room for the largest input in base64, or as text."""
    return this_settings().max_input * 3 // 2 + _MIB


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that handlers use. `closing` is set when the API is told to stop."""

    callers: Callers
    store: Store
    arrivals: Arrivals
    closing: asyncio.Event
    health: Health
    sender: Sender = field(default_factory=Sender)
    blobs: Blobs = field(default_factory=Blobs)
    open: Open = field(default_factory=Open)
    bodies: Budget = field(default_factory=lambda: Budget(4 * most_body_bytes()))
    results: Budget = field(default_factory=lambda: Budget(8 * most_body_bytes()))


@asynccontextmanager
async def open_parts(callers: Callers, closing: asyncio.Event) -> AsyncIterator[Parts]:
    """The parts, on connections of their own."""
    async with Store.open() as store, Arrivals.open() as arrivals:
        yield Parts(callers, store, arrivals, closing, Health(store))
