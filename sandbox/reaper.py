"""Removes containers that nobody else removes: those past their deadline, and dead ones left behind."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sandbox.errors import SandboxUnavailable
from sandbox.expiry import Expiry
from sandbox.meter import count_error, measure

if TYPE_CHECKING:
    from config import Settings
    from sandbox.engines.engine import Engine, FoundCell

__all__ = ["due", "reap"]

_log = logging.getLogger("cellblock.reaper")


def reap(
    engine: Engine, settings: Settings, *, deadlines: Expiry | None = None, leaving: bool = False
) -> list[str]:
    """Remove this deployment's containers that are due, and return the names of those removed.

    Only the labels tell which containers are this deployment's. A container is due in these cases: its
    deadline has passed; its process is gone, so that nobody else removes it; it has been dead for longer than
    a process on another machine may need to examine and remove it; or `leaving` is set and this process made
    it. Of a dead container whose process certainly lives here, only the time that it was seen dead counts.
    Several reapers may run at the same time. A caller that reaps repeatedly passes the same `deadlines`
    each time.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found, deadlines = engine.list(), deadlines or Expiry(settings)
    deadlines.begin_look(engine.now(), [cell.name for cell in found])
    return [cell.name for cell in found if _reap_if_due(engine, deadlines, cell, leaving=leaving)]


def due(engine: Engine, settings: Settings) -> list[str]:
    """The names of the containers that `reap` would remove now.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found, deadlines = engine.list(), Expiry(settings)
    deadlines.begin_look(engine.now(), [cell.name for cell in found])
    return [cell.name for cell in found if _is_due(deadlines, cell)]


def _reap_if_due(engine: Engine, deadlines: Expiry, cell: FoundCell, *, leaving: bool) -> bool:
    """Remove the container if it is due; whether it was removed."""
    try:
        if not (_is_due(deadlines, cell) or (leaving and cell.labels.is_mine)):
            return False
        engine.remove(cell.name)
    except SandboxUnavailable as error:
        _log.error("The container %s is due but stays for now: %s", cell.name, error)
        measure("cellblock_leaks_total", where="reaper")
        count_error("reaper", error)
        return False
    _log.warning("Removed the container %s, which nobody else had removed", cell.name)
    measure("cellblock_reaps_total")
    return True


def _is_due(deadlines: Expiry, cell: FoundCell) -> bool:
    if deadlines.is_past(cell.name, cell.labels):
        return True
    # Not a warm cell that runs: a job may have claimed it, and then it outlives the process that made it.
    if cell.labels.is_orphan and (cell.dead_since or cell.labels.is_for_job):
        return True
    if cell.dead_since is None:
        return False
    return deadlines.is_long_dead(cell.name, cell.labels, cell.dead_since())
