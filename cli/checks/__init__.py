"""What `doctor` looks at, and what must be there before a worker starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.checks import access, budget, engine, installation, queue, stock
from cli.checks import workers as workforce
from cli.checks.finding import Finding, Level, skipped
from cli.checks.requirements import require_broker, require_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CHECKS", "NEEDS", "Finding", "Level", "require_broker", "require_engine", "skipped"]

#: Each check by name, its docstring says what is as it should be; an error that it raises is a finding too.
CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": installation.settings,
    "names": installation.names,
    "engine": engine.engine,
    "socket": access.socket,
    "images": stock.images,
    "disk": stock.disk,
    "leftovers": stock.leftovers,
    "redis": queue.server,
    "persistence": queue.persistence,
    "visibility": queue.visibility,
    "clock": queue.clock,
    "workers": workforce.workers,
    "budget": budget.budget,
}

#: What must be reached for a check to see anything, by the check that says whether it is.
NEEDS = {
    "socket": "engine",
    "images": "engine",
    "disk": "engine",
    "leftovers": "engine",
    "persistence": "redis",
    "clock": "redis",
    "workers": "redis",
}
