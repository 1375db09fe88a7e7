"""The workspace of one session: its files, as a ref, and its jobs, one at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from api.mcp.blobs import remove_workspace
from api.mcp.job import Job
from api.mcp.refusal import Refused
from config.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from api.mcp.jobs import Jobs

__all__ = ["Workspace"]

_log = logging.getLogger("cellblock.mcp")

# The most jobs whose ids, and the most images, a session remembers.
_MOST_JOBS, _MOST_IMAGES = 256, 4096


class Workspace:
    """The files that a session's jobs share, and the jobs.

    Each job that keeps its files gets the workspace as the one before has left it. So jobs take turns, in the
    order in which they are asked for.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.ref: str | None = None
        self._turn = asyncio.Lock()
        self._known: OrderedDict[str, Job | None] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._current: Job | None = None
        self._pending: set[asyncio.Task[None]] = set()

    async def begin(
        self, request: Mapping[str, Any], until_s: float, *, keeps: bool, live: bool = False
    ) -> Job:
        """Send a job that runs on these files; `keeps`: it may change them.

        Raises:
            Refused: the job before is not over by `until_s`, in the monotonic clock's time.
            CellblockError: it could not be sent.
        """
        await self._take_turn(until_s)
        job = Job(self.jobs, lambda result: self._keep(job, result) if keeps else None, self._turn.release)
        files = {"workspace": self.ref} if self.ref else {}
        keep = {"keep_workspace": True} if keeps else {}
        self._current = job
        try:
            await job.send({**request, **files, **keep}, live=live)
        except asyncio.CancelledError:
            # It may have been sent all the same.
            self.stop_soon(job)
            raise
        return job

    async def _take_turn(self, until_s: float) -> None:
        try:
            async with asyncio.timeout(until_s - time.monotonic()):
                await self._turn.acquire()
        except TimeoutError:
            raise self._busy() from None

    def _busy(self) -> Refused:
        job = self._current
        if job is None or job.is_over or job.id not in self._known:
            return Refused("Other calls of this session were first, and took too long. Try again.")
        return Refused(
            f"Job {job.id} still runs in this workspace. Wait for it with `result`, or end it with `cancel`,"
            " and try again."
        )

    def _keep(self, job: Job, result: Mapping[str, Any]) -> None:
        ref = result.get("workspace")
        if isinstance(ref, str):
            self._replace(ref)
        else:
            job.not_kept = str(result.get("workspace_skipped") or "the worker did not keep them")

    def _replace(self, ref: str | None) -> None:
        """Go on with another ref. Nobody else knows the one before, and many of them would fill the store."""
        if self.ref and self.ref != ref:
            self._soon(remove_workspace(self.ref, self.jobs.tenant))
        self.ref = ref

    def remember(self, job: Job) -> None:
        """Let the session ask for this job later."""
        for job_id, other in self._known.items():
            # A result may take megabytes. Redis has those of earlier jobs.
            if other and other.is_over:
                self._known[job_id] = None
        self._known[job.id] = job
        if len(self._known) > _MOST_JOBS:
            self._known.popitem(last=False)

    def find(self, job_id: str | None) -> tuple[str, Job | None]:
        """The id of a job of this session, and the job unless it is an earlier one. None: the last one.

        Raises:
            Refused: there is no such job.
        """
        if job_id is None and self._known:
            job_id = next(reversed(self._known))
        if job_id is None:
            raise Refused("This session has not run any job yet.")
        if job_id not in self._known:
            raise Refused(f"This session has no job {quoted(job_id)}. Try: the id as `run` gave it.")
        return job_id, self._known[job_id]

    def is_new(self, image: str) -> bool:
        """Whether this session gets an image, by its digest, or a note on one for the first time."""
        new = image not in self._seen
        self._seen[image] = None
        if len(self._seen) > _MOST_IMAGES:
            self._seen.popitem(last=False)
        return new

    def stop_soon(self, job: Job) -> None:
        """Cancel a job that nobody waits for any more."""
        self._soon(self.stop(job))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def stop(self, job: Job) -> None:
        """Cancel a job, and wait some seconds for its end. If Redis is away, it is not watched any longer."""
        await _quietly(job, job.stop)

    async def end(self) -> None:
        """The session is over: cancel its job, without waiting for its end, and remove its files."""
        job = self._current
        if job and not job.is_over:
            await _quietly(job, lambda: self.jobs.cancel(job.id))
            await job.give_up()
        self._replace(None)
        if self._pending:
            await asyncio.wait(self._pending)


async def _quietly(job: Job, cancel: Callable[[], Awaitable[None]]) -> None:
    try:
        await cancel()
    except (RedisError, OSError) as error:
        _log.warning("Job %s was not cancelled, and runs on: %s", job.id, type(error).__name__)
        await job.give_up()
