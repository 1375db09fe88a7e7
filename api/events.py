"""A job's live output as server-sent events."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from api.outcome import find_ended
from api.problems import Problem
from tasks.live import follow_async
from tasks.live.entry import END, START, STDERR, STDOUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from api.budget import Share
    from api.store import Store
    from tasks.live import LiveEntry

__all__ = ["ENDED", "FIRST", "check_last_id", "events_of"]

#: The id before the first event, and the one of the last event of a job that is over.
FIRST, ENDED = "0", "end"

_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_MOST = 1 << 64


def check_last_id(text: str) -> str:
    """The id of the last event that a client has got.

    Raises:
        Problem: it is no such id.
    """
    found = _ID.fullmatch(text)
    if text != ENDED and not (found and all(int(part or 0) < _MOST for part in found.groups())):
        raise Problem(422, "bad-parameter", "Last-Event-ID: give the id of an event, or leave it out.")
    return text


async def events_of(job_id: str, after: str, store: Store, share: Share) -> AsyncGenerator[str, None]:
    """The events of a job after the one with the id `after`, until the job is over.

    The outputs of a job whose live output is off or has expired come from its result, at its end.

    Raises:
        redis.exceptions.RedisError: there was no answer. The client may go on after its last event.
    """
    heard = after != FIRST
    async for entry in follow_async(job_id, after=after):
        if entry.kind != END:
            heard = True
            yield _event(entry.kind, _about(entry), entry.id)
            continue
        if not heard:
            async for event in _outputs_of_result(job_id, store, share):
                yield event
        yield _event(END, {"status": entry.data.decode(errors="replace")}, ENDED)


async def _outputs_of_result(job_id: str, store: Store, share: Share) -> AsyncIterator[str]:
    ended = await find_ended(store, job_id, share)
    result = ended.stored.result if ended else None
    for name in (STDOUT, STDERR):
        text = result.get(name) if isinstance(result, dict) else None
        if isinstance(text, str) and text:
            yield _event(name, {"text": text})


def _about(entry: LiveEntry) -> dict[str, Any]:
    """The data of an event. Bytes that are no text, or half a character, also come in base64."""
    if entry.kind == START:
        return {"time": entry.time, "attempt": entry.data.decode(errors="replace")}
    about: dict[str, Any] = {"time": entry.time, "text": entry.data.decode(errors="replace")}
    if about["text"].encode() != entry.data:
        about["base64"] = base64.b64encode(entry.data).decode()
    if entry.skipped_bytes:
        about["skipped_bytes"] = entry.skipped_bytes
    return about


def _event(kind: str, data: dict[str, Any], event_id: str = "") -> str:
    """An event. JSON in ASCII has no line break in it."""
    named = f"id: {event_id}\n" if event_id else ""
    return f"{named}event: {kind}\ndata: {json.dumps(data)}\n\n"
