"""The checks of `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.checks import engine, installation, queue, stock
from cli.checks import workers as workforce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cli.checks.finding import Finding

__all__ = ["CHECKS", "NEEDS"]

#: Each check by its name. Its docstring says what should be true. An error that it raises is a finding too.
CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": installation.settings,
    "names": installation.names,
    "engine": engine.engine,
    "socket": engine.socket,
    "images": stock.images,
    "disk": stock.disk,
    "leftovers": stock.leftovers,
    "redis": queue.server,
    "rights": queue.rights,
    "persistence": queue.persistence,
    "visibility": queue.visibility,
    "clock": queue.clock,
    "workers": workforce.workers,
    "consumers": workforce.consumers,
    "budget": installation.budget,
}

#: For a check that needs a server: the check that says whether that server can be reached.
NEEDS = {
    **dict.fromkeys(("socket", "images", "disk", "leftovers"), "engine"),
    **dict.fromkeys(("rights", "persistence", "clock", "workers", "consumers"), "redis"),
}
