"""Which jobs there are: those that workers have, and those that still wait in the broker."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks._app import app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["JOBS", "TASK", "Entry", "Queued", "jobs_in_queues", "jobs_in_workers", "runtime_asked_for"]

TASK = "cellblock.run_sandboxed"
#: The workers' answer to this control command is a list of `Entry`, as JSON.
JOBS = "cellblock_jobs"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job: nothing of what it runs. Times are in Unix seconds.

    `state` is `running`; `reserved`, when a worker has it and no process is free; `retrying`, when it waits
    for another attempt; or `queued`. `runtime` is what the job asked for; None: it is told from the files.
    """

    id: str
    state: str
    runtime: str | None
    sent: float | None
    started: float | None
    worker: str | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The jobs that come next, and how many messages wait in all; None where the broker can't tell."""

    next: list[Entry]
    waiting: int | None


def jobs_in_workers(within_s: float = 1.0) -> list[Entry]:
    """What the workers have, of those that answer within so many seconds; it takes that long."""
    replies: list[dict[str, Any]] = app.control.broadcast(JOBS, reply=True, timeout=within_s) or []
    answers = [
        (worker, jobs) for reply in replies for worker, jobs in reply.items() if isinstance(jobs, list)
    ]
    return [Entry(**job, worker=worker) for worker, jobs in answers for job in jobs]


def jobs_in_queues(queues: Sequence[str], most: int) -> Queued:
    """The jobs at the heads of the broker's queues, `most` at most."""
    with app.connection_for_read() as connection:
        if connection.transport.driver_type != "redis":
            return Queued([], None)
        channel: Any = connection.default_channel
        keys = [channel._q_for_pri(queue, step) for queue in queues for step in channel.priority_steps]  # noqa: SLF001
        messages = (message for key in keys for message in _heads(channel.client, key, most))
        entries = [_entry(message) for _, message in zip(range(most), messages, strict=False)]
        waiting = sum(channel.client.llen(key) for key in keys)
    return Queued([entry for entry in entries if entry], waiting)


def _heads(client: Any, key: str, most: int) -> Iterator[bytes]:  # noqa: ANN401  kombu's own
    """One at a time, since each may be as large as a job's files. kombu takes from a list's end."""
    for index in range(1, most + 1):
        message = client.lindex(key, -index)
        if message is None:
            return
        yield message


def _entry(message: bytes) -> Entry | None:
    """The job in a message; none in one that is no call of ours."""
    try:
        content = json.loads(message)
        headers = content["headers"]
        args, kwargs, _ = json.loads(b64decode(content["body"]))
        if headers["task"] != TASK:
            return None
        return Entry(
            id=headers["id"],
            state="queued",
            runtime=runtime_asked_for(args, kwargs),
            sent=headers.get("cellblock_sent_at"),
            started=None,
            worker=None,
            attempt=(headers.get("retries") or 0) + 1,
        )
    except (ValueError, LookupError, TypeError):
        return None


def runtime_asked_for(args: Any, kwargs: Any) -> str | None:  # noqa: ANN401  whoever publishes chooses
    """The runtime among the arguments of a call."""
    runtime = args[1] if len(args) > 1 else kwargs.get("runtime")
    return runtime if isinstance(runtime, str) else None
