"""Sends measurements to the collector: all processes of a worker send to one socket.

Nothing is sent until `report_to` sets the socket. Then a measurement costs one message and never waits.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Measurement", "count_error", "descriptor", "measure", "report", "report_to"]

#: The name of a metric, the amount by which it grew or its value now, and its labels.
Measurement = tuple[str, float, dict[str, str]]

_collector: socket.socket | None = None
_lost = 0


def report_to(collector: socket.socket | None) -> None:
    """Send everything from now on to the other end of `collector` (SEQPACKET); None ends it.

    Children that are forked later report to it too.
    """
    global _collector  # noqa: PLW0603
    _collector = collector


def descriptor() -> int | None:
    """The file descriptor of the socket, for a program that is to report to it as well."""
    return _collector.fileno() if _collector else None


def measure(metric: str, value: float = 1.0, **labels: str) -> None:
    """Report one measurement."""
    if _collector:
        report([(metric, value, labels)])


def count_error(where: str, error: Exception) -> None:
    """Count an error of the sandbox; `where` is the part that met it."""
    measure("cellblock_engine_errors_total", where=where, error=type(error).__name__)


def report(measurements: Iterable[Measurement]) -> None:
    """Report several at once. If there is no room, they are lost, and the next report tells how many."""
    global _lost  # noqa: PLW0603
    if _collector is None:
        return
    told = [*measurements, *([("cellblock_measurements_lost_total", _lost, {})] if _lost else [])]
    try:
        _collector.send(json.dumps(told).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        _lost += len(told) - bool(_lost)
    else:
        _lost = 0
