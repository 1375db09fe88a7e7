"""Stores messages that are no jobs: another app's in a list for their queue, dead ones in a short list."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from config.quoting import quoted
from sandbox import meter
from tasks.delivery.tally import Tally
from tasks.redis_script import RedisScript

if TYPE_CHECKING:
    from tasks.envelope import Dead, Stray

__all__ = [
    "DEAD",
    "MOST_DEAD",
    "buried",
    "bury",
    "entry_of",
    "flush",
    "foreign",
    "note_dead",
    "note_stray",
    "put_aside",
]

_log = logging.getLogger("cellblock.delivery")

#: The list of messages whose sender can't be answered: one JSON object each, the newest first.
DEAD = "cellblock.dead"
MOST_DEAD = 1000
_DEAD_CHARACTERS = 16 << 10
DEAD_S = 7 * 86_400

_BURY = RedisScript("bury_message")

_tally = Tally(_log.warning)
flush = _tally.flush


def foreign(queue: str) -> str:
    """The list to which another app's messages of that queue go, unchanged."""
    return f"cellblock.foreign:{queue}"


def put_aside(client: Any, taken_key: str, queue: str, stray: Stray) -> None:  # noqa: ANN401  kombu's own
    """Move the message at the end of `taken_key` to `foreign(queue)`, unchanged and in one step."""
    client.lmove(taken_key, foreign(queue), "RIGHT", "LEFT")
    note_stray(queue, stray)


def bury(client: Any, taken_key: str, queue: str, dead: Dead, raw: bytes) -> None:  # noqa: ANN401
    """Replace the message at the end of `taken_key`, in one step, by an entry in the list of dead ones."""
    entry = entry_of(queue, dead, raw)
    _BURY(client, [taken_key, DEAD], entry, MOST_DEAD, DEAD_S)
    note_dead(queue, dead)


def buried(commands: Any, queue: str, dead: Dead, raw: bytes) -> Any:  # noqa: ANN401
    """Add to `commands`, a pipeline, those that put the message on the list of dead ones."""
    entry = entry_of(queue, dead, raw)
    note_dead(queue, dead)
    return commands.lpush(DEAD, entry).ltrim(DEAD, 0, MOST_DEAD - 1).expire(DEAD, DEAD_S)


def entry_of(queue: str, dead: Dead, raw: bytes) -> str:
    """What is kept of a dead message: the reason, and the beginning of the message."""
    head = raw[:_DEAD_CHARACTERS].decode("utf-8", "backslashreplace")[:_DEAD_CHARACTERS]
    about = {"reason": dead.reason, "queue": queue, "at": round(time.time(), 3), "bytes": len(raw)}
    return json.dumps(about | {"message": head}, ensure_ascii=False).encode("utf-8", "replace").decode()


def note_dead(queue: str, dead: Dead) -> None:
    """Count the dead message and log it, without any of its content."""
    meter.measure("cellblock_dead_messages_total", queue=queue)
    _tally.note(
        f"{queue} {dead.reason}",
        f"A message of the queue {quoted(queue)} is no call, and nobody can be told: {dead.reason}."
        f" It is on {DEAD}",
    )


def note_stray(queue: str, stray: Stray) -> None:
    """Count the other app's message and log it: only the name of its task, no other content."""
    meter.measure("cellblock_foreign_messages_total", queue=queue)
    _tally.note(
        queue,
        f"A message of the queue {quoted(queue)} is for a task that is not ours, {stray.task}: set aside,"
        f" untouched, on {foreign(queue)}. Try: have its app name a queue of its own, then give it back:"
        " docs/troubleshooting.md",
    )
