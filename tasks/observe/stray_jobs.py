"""Finds jobs in queues that the settings do not name: their publisher has chosen another queue."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from tasks.envelope import Call, judge
from tasks.headers import TASK
from tasks.queue_keys import lists_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["stray_jobs"]

# Kombu keeps which queues it has declared: a set for each exchange, whose members end with a queue's name.
_BINDINGS, _BEFORE_NAME = "_kombu.binding.*", "\x06\x16"
_AT_A_TIME = 1000
_MOST_QUEUES = 256
# No right to read it, no list, or no text.
_UNREADABLE = (ResponseError, UnicodeDecodeError)


def stray_jobs(client: Any, besides: Collection[str], most_bytes: int) -> dict[str, int]:  # noqa: ANN401
    """How many messages wait in each queue whose next one is a job, apart from the queues `besides`.

    `client` is one of Redis that decodes answers. A message of more than `most_bytes` is no job. A queue that
    can't be read is left out.
    """
    counts = dict[str, int]()
    for name in sorted({*_declared(client)} - {*besides})[:_MOST_QUEUES]:
        with suppress(*_UNREADABLE):
            lists = [one for one in lists_of(name) if client.llen(one)]
            if any(_is_job(client.lindex(one, -1), most_bytes) for one in lists):
                counts[name] = sum(client.llen(one) for one in lists)
    return counts


def _declared(client: Any) -> Iterator[str]:  # noqa: ANN401
    with suppress(*_UNREADABLE):
        for key in client.scan_iter(_BINDINGS, count=_AT_A_TIME):
            with suppress(*_UNREADABLE):
                yield from (str(member).rpartition(_BEFORE_NAME)[2] for member in client.smembers(key))


def _is_job(message: str | None, most_bytes: int) -> bool:
    call = judge((message or "").encode(), most_bytes)
    return isinstance(call, Call) and call.headers["task"] == TASK
