"""Finds out whether a job exists, so that a command can report a wrong id."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from celery.states import READY_STATES

from tasks._app import app
from tasks.lease import is_leased
from tasks.live.entry import key_of
from tasks.observe.job_list import jobs_in_workers
from tasks.queue_keys import queue_keys, tenants_lists
from tasks.results.reader import look_up
from tasks.results.worker_backend import result_redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["JobLookup"]

# The most messages to read. They are read one at a time, since each may be as large as a job's files.
_MOST_MESSAGES = 2000


class JobLookup:
    """Looks for several jobs, and asks the workers only once."""

    def __init__(self, queues: Sequence[str]) -> None:
        self._queues = queues
        self._in_workers: set[str] | None = None

    def ended(self, task_id: str) -> bool:
        """Whether the job has its result."""
        stored = look_up(task_id)
        return stored is not None and stored.state in READY_STATES

    def knows(self, task_id: str) -> bool:
        """Whether the job exists. True also if that can't be found out, as with too many messages to read."""
        redis = result_redis()
        if redis is not None and (is_leased(redis, task_id) or redis.exists(key_of(task_id))):
            return True
        if self._in_workers is None:
            self._in_workers = {str(job.id) for job in jobs_in_workers()}
        return task_id in self._in_workers or look_up(task_id) is not None or self._may_wait(task_id)

    def _may_wait(self, task_id: str) -> bool:
        with app.connection_for_read() as connection:
            if connection.transport.driver_type != "redis":
                return True
            channel: Any = connection.default_channel
            for number, found in enumerate(_ids(channel, self._queues)):
                if number >= _MOST_MESSAGES or found == task_id:
                    return True
        return False


def _ids(channel: Any, queues: Sequence[str]) -> Iterator[object]:  # noqa: ANN401  kombu's own
    """The ids of the messages that wait, and of those that a worker has taken and not acknowledged."""
    client = channel.client
    for queue in queues:
        for one in queue_keys(channel, queue):
            for key in (one, *tenants_lists(client, one)):
                for index in range(client.llen(key)):
                    yield _id_in(client.lindex(key, index))
    for tag in client.hkeys(channel.unacked_key):
        # An unacknowledged entry is a list of the message and where it came from.
        yield _id_in(client.hget(channel.unacked_key, tag), 0)


def _id_in(text: bytes | None, *way: int) -> object:
    """The id in a message in JSON, to which `way` leads. None if it has none."""
    try:
        message = json.loads(text or b"")
        for step in way:
            message = message[step]
        return message["headers"]["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
