"""The checks of `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.checks import access, budget, engine, installation, persistence, queue, stock, strangers
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
    "socket": access.socket,
    "images": stock.images,
    "disk": stock.disk,
    "leftovers": stock.leftovers,
    "redis": queue.server,
    "rights": queue.rights,
    "persistence": persistence.persistence,
    "visibility": queue.visibility,
    "clock": queue.clock,
    "workers": workforce.workers,
    "consumers": strangers.consumers,
    "budget": budget.budget,
}

#: For a check that needs a server: the check that says whether that server can be reached.
NEEDS = {
    "socket": "engine",
    "images": "engine",
    "disk": "engine",
    "leftovers": "engine",
    "rights": "redis",
    "persistence": "redis",
    "clock": "redis",
    "workers": "redis",
    "consumers": "redis",
}
