# Made by `python docs/generate.py` from tasks/results/reader.py. Change it there.
"""Reads what the result backend holds of a task, as plain data: anyone who reaches Redis can write there.

Celery's own reader would make the exception that is named there, from any module, and raise it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from celery.states import READY_STATES

__all__ = ["Failure", "Stored", "read_stored"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as it is stored: its name and its arguments."""

    name: str
    args: list[Any]

    @property
    def message(self) -> str:
        """The exception's message, or "" if it has none."""
        return str(self.args[0]) if self.args and isinstance(self.args[0], str | int | float) else ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A task's state, as Celery names it, and its result as read from JSON.

    `is_readable` is false if the stored text is nothing that a worker writes.
    """

    state: str
    result: Any = None
    failure: Failure | None = None
    is_readable: bool = True

    @property
    def is_ready(self) -> bool:
        """Whether the state is final."""
        return self.state in READY_STATES or not self.is_readable


def read_stored(payload: bytes | str) -> Stored:
    """Parse a payload of the result backend."""
    try:
        meta = json.loads(payload)
    except (ValueError, RecursionError):
        return Stored("", is_readable=False)
    if not isinstance(meta, dict) or not isinstance(meta.get("status"), str):
        return Stored("", is_readable=False)
    state, result = meta["status"], meta.get("result")
    if state in ("FAILURE", "RETRY", "REVOKED"):
        return Stored(state, failure=_failure(result))
    return Stored(state, result)


def _failure(error: object) -> Failure:
    about = error if isinstance(error, dict) else {}
    name, said = about.get("exc_type"), about.get("exc_message")
    return Failure(
        name if isinstance(name, str) else "an unknown error",
        said if isinstance(said, list) else [said],
    )
