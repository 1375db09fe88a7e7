"""The client of the workers at one broker."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from cellblock.addresses import addresses
from cellblock.check import checked_request
from cellblock.job import FIRST, Job
from cellblock.shared.headers import LIVE, SENT_AT, TENANT, check_tenant, shown_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from typing_extensions import Unpack

    from cellblock.blob_store import Blobs
    from cellblock.options import Command, Options
    from cellblock.result import Result
    from cellblock.results import Results
    from cellblock.sender import Sender
    from cellblock.shared.entry import LiveEntry

__all__ = ["Cellblock"]

_SENDING = ("live", "tenant", "queue", "priority", "task_id")


class Cellblock:
    """Runs commands by the workers of one broker. It connects when it is first used.

    One object serves all threads and all event loops of a process, and processes that are forked from it.
    """

    def __init__(
        self,
        broker_url: str | None = None,
        backend_url: str | None = None,
        *,
        tenant: str | None = None,
        queue: str = "cellblock",
        patience: float = 5.0,
    ) -> None:
        """Take the addresses of the workers' broker and results, in every form that workers accept.

        Without `broker_url` both come from CELLBLOCK_BROKER_URL and CELLBLOCK_RESULT_BACKEND. Without
        `backend_url` results are at the broker. `tenant` is for whom jobs are, `queue` where they wait.
        `patience` is how many seconds an outage may last before BrokerUnreachable is raised.

        Raises:
            ValueError: an address can't be used.
            InvalidJob: the name of the tenant is malformed.
        """
        self._broker, self._backend = addresses(broker_url, backend_url)
        self._tenant, self._queue, self._patience_s = tenant, queue, patience
        self._lock = threading.Lock()
        self._opened: tuple[Sender, Results] | None = None
        check_tenant({TENANT: tenant})

    def __repr__(self) -> str:
        return f"Cellblock({str(self._broker)!r})"

    def submit(
        self, cmd: Command | None = None, runtime: str | None = None, **options: Unpack[Options]
    ) -> Job:
        """Send a job, and return it at once.

        Raises:
            InvalidJob: the request is wrong, as far as that shows without the operator's settings.
            BrokerUnreachable: it could not be sent within `patience` seconds.
        """
        given: dict[str, Any] = dict(options)
        sending = {name: given.pop(name, None) for name in _SENDING}
        headers = {TENANT: sending["tenant"]} if sending["tenant"] is not None else {}
        if sending["live"]:
            headers[LIVE] = True
        where = {
            name: sending[name] for name in ("queue", "priority", "task_id") if sending[name] is not None
        }
        return self.send(cmd, runtime, given, headers, **where)

    def send(
        self,
        cmd: object,
        runtime: object,
        request: Mapping[str, object],
        headers: Mapping[str, Any],
        **options: Any,  # noqa: ANN401  Celery's own
    ) -> Job:
        """Send a job with these headers and options of Celery. Raises what `submit` raises."""
        headers = {SENT_AT: time.time(), **({TENANT: self._tenant} if self._tenant else {}), **headers}
        kwargs = checked_request(cmd, request)
        check_tenant(headers)
        options = {"queue": self._queue, "task_id": str(uuid.uuid4()), "headers": headers} | options
        sender, results = self._open()
        sender.send([cmd, runtime], kwargs, **shown_call(str(runtime), kwargs), **options)
        return Job(options["task_id"], results)

    def run(
        self, cmd: Command | None = None, runtime: str | None = None, **options: Unpack[Options]
    ) -> Result:
        """Send a job, wait for it and return its result. Raises what `submit` and `Job.get` raise."""
        return self.submit(cmd, runtime, **options).get()

    def job(self, task_id: str) -> Job:
        """The job with this id, which this or another process has sent."""
        return Job(task_id, self._open()[1])

    def follow(self, job: Job | str, *, after: str = FIRST) -> Iterator[LiveEntry]:
        """The live output of a job; see `Job.follow`."""
        return self._of(job).follow(after=after)

    def cancel(self, job: Job | str) -> None:
        """Cancel a job; see `Job.cancel`."""
        self._of(job).cancel()

    @property
    def blobs(self) -> Blobs:
        """The contents of its tenant that jobs name by their refs, if the workers' lie in Redis."""
        from cellblock.blob_store import Blobs

        return Blobs(self._backend, self._patience_s, self._tenant or "")

    async def submit_async(
        self, cmd: Command | None = None, runtime: str | None = None, **options: Unpack[Options]
    ) -> Job:
        """The same as `submit`, for asyncio."""
        import asyncio

        return await asyncio.to_thread(self.submit, cmd, runtime, **options)

    async def run_async(
        self, cmd: Command | None = None, runtime: str | None = None, **options: Unpack[Options]
    ) -> Result:
        """The same as `run`, for asyncio."""
        return await (await self.submit_async(cmd, runtime, **options)).get_async()

    def follow_async(self, job: Job | str, *, after: str = FIRST) -> AsyncIterator[LiveEntry]:
        """The same as `follow`, for asyncio."""
        return self._of(job).follow_async(after=after)

    async def cancel_async(self, job: Job | str) -> None:
        """The same as `cancel`, for asyncio."""
        await self._of(job).cancel_async()

    def _of(self, job: Job | str) -> Job:
        return job if isinstance(job, Job) else self.job(job)

    def _open(self) -> tuple[Sender, Results]:
        # Celery and redis-py are imported now, and not with this module.
        from cellblock.results import Results
        from cellblock.sender import Sender

        with self._lock:
            if self._opened is None:
                within_s = self._patience_s
                self._opened = (Sender(self._broker, within_s), Results(self._backend, within_s))
            return self._opened
