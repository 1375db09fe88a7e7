"""Lists the jobs that workers have, and those that still wait in the broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from config.quoting import is_word
from tasks._app import app
from tasks.envelope import Call, judge
from tasks.envelope.rules import NAME, is_number, or_none
from tasks.headers import SENT_AT, TASK
from tasks.queue_keys import TICKET, queue_keys, tenants_lists
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["JOBS", "Entry", "Queued", "jobs_in_queues", "jobs_in_workers", "runtime_asked_for"]

#: The workers' answer to this control command is a list of `Entry`, as JSON.
JOBS = "cellblock_jobs"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job, without its command and contents. Times are in Unix seconds.

    `state` is `running`; `reserved`, when a worker has it and no process is free; `retrying`, when it waits
    for another attempt; or `queued`. `runtime` is None if the job named none and its files decide.
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
    """The jobs that come next, and the number of all messages that wait. None if the broker can't tell it."""

    next: list[Entry]
    waiting: int | None


def jobs_in_workers() -> list[Entry]:
    """The jobs of all workers that answer within a second. The call always takes that long."""
    replies: list[Any] = app.control.broadcast(JOBS, reply=True, timeout=1.0) or []
    answers = [
        (worker, jobs) for reply in replies if isinstance(reply, dict) for worker, jobs in reply.items()
    ]
    rows = [(worker, job) for worker, jobs in answers if isinstance(jobs, list) for job in jobs]
    entries = [_reported(worker, job) for worker, job in rows]
    return [entry for entry in entries if entry]


def jobs_in_queues(queues: Sequence[str], most: int) -> Queued:
    """The jobs at the heads of the broker's queues, `most` at most."""
    with app.connection_for_read() as connection:
        if connection.transport.driver_type != "redis":
            return Queued([], None)
        channel: Any = connection.default_channel
        keys = [key for queue in queues for key in queue_keys(channel, queue)]
        messages = (message for key in keys for message in _heads(channel.client, key, most))
        most_bytes = this_settings().max_message
        entries = [_entry(message, most_bytes) for _, message in zip(range(most), messages, strict=False)]
        waiting = sum(channel.client.llen(key) for key in keys)
    return Queued([entry for entry in entries if entry], waiting)


def _heads(client: Any, key: str, most: int) -> Iterator[bytes]:  # noqa: ANN401  kombu's own
    """Read messages one at a time: each may be as large as a job's files. kombu takes from a list's end.

    Those that are sorted by their tenants come first, one of each tenant in turn.
    """
    lists = tenants_lists(client, key)
    for index in range(1, most + 1):
        found = [message for one in lists if (message := client.lindex(one, -index)) is not None]
        yield from found
        if not found:
            break
    tickets = int(client.hget(f"cellblock.fair:{key}", "tickets") or 0)
    for index in range(tickets + 1, tickets + most + 1):
        message = client.lindex(key, -index)
        if message is None:
            return
        if message != TICKET:
            yield message


def _entry(message: bytes, most_bytes: int) -> Entry | None:
    """The job in a message. None if the message is no valid call of `run_sandboxed`."""
    call = judge(message, most_bytes)
    if not isinstance(call, Call) or call.is_refused or call.headers["task"] != TASK:
        return None
    args, kwargs, _ = call.payload
    return Entry(
        id=call.task_id,
        state="queued",
        runtime=runtime_asked_for(args, kwargs),
        sent=call.headers.get(SENT_AT),
        started=None,
        worker=None,
        attempt=call.headers.get("retries", 0) + 1,
    )


def _reported(worker: str, job: Any) -> Entry | None:  # noqa: ANN401
    """The job in a row of a worker's answer. Anyone with the broker's password can send one, so check it."""
    if not isinstance(job, dict) or not NAME(worker):
        return None
    row: dict[str, Any] = {name: job.get(name) for name in _ROW}
    is_valid = all(rule(row[name]) for name, rule in _ROW.items())
    return Entry(**row, worker=worker) if is_valid else None


_ROW: dict[str, Callable[[object], bool]] = {
    "id": NAME,
    "state": is_word,
    "runtime": or_none(is_word),
    "sent": or_none(is_number),
    "started": or_none(is_number),
    "attempt": is_number,
}


def runtime_asked_for(args: Any, kwargs: Any) -> str | None:  # noqa: ANN401  whoever publishes chooses
    """The runtime among the arguments of a call, if it could be the name of one."""
    runtime = args[1] if len(args) > 1 else kwargs.get("runtime")
    return str(runtime) if is_word(runtime) else None
