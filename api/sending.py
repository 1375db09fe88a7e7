"""Sends jobs to the queue, from a bounded number of threads."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from api.body import LARGE_BYTES
from api.outage import away, note_outage
from sandbox import BrokerUnreachable, parse_job
from sandbox.request import bind_request
from tasks import cancel, run_sandboxed
from tasks.headers import LIVE, TENANT
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.body import Body
    from api.callers import Caller

__all__ = ["Sender", "trace_headers"]

# Fewer than the connections to the broker that one process may have (broker_pool_limit).
_THREADS, _LARGE_THREADS = 8, 2
# W3C Trace Context. The state of a trace is passed on only if it is plain.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[ -~]{1,512}")


class Sender:
    """Celery's side of the API: it sends and cancels jobs, and keeps each to the limits of its token."""

    def __init__(self) -> None:
        self._small, self._large = CapacityLimiter(_THREADS), CapacityLimiter(_LARGE_THREADS)

    async def send(
        self, job_id: str, body: Body, caller: Caller, *, live: bool, traces: Mapping[str, str]
    ) -> None:
        """Send a job under this id.

        Raises:
            InvalidJob: the request is refused.
            QueueFull: as many jobs wait as the operator allows.
            Problem: the broker does not answer, or too many jobs are being sent.
        """
        headers = {LIVE: live, **traces, **({TENANT: caller.tenant} if caller.tenant else {})}
        await self._in_thread(
            lambda: _send(job_id, body.value, caller, headers), large=body.size > LARGE_BYTES
        )

    async def cancel(self, job_id: str) -> None:
        """Ask that a job end.

        Raises:
            redis.exceptions.RedisError: there was no answer.
            Problem: too many jobs are being sent.
        """
        await self._in_thread(lambda: cancel(job_id))

    async def _in_thread(self, work: Callable[[], None], *, large: bool = False) -> None:
        limiter = self._large if large else self._small
        try:
            async with asyncio.timeout(this_settings().publish_timeout):
                await limiter.acquire_on_behalf_of(work)
        except TimeoutError:
            raise away() from None
        try:
            await run_sync(work, limiter=CapacityLimiter(1), abandon_on_cancel=False)
        except BrokerUnreachable as error:
            note_outage(error)
            raise away() from error
        finally:
            limiter.release_on_behalf_of(work)


def _send(job_id: str, request: Mapping[str, Any], caller: Caller, headers: Mapping[str, Any]) -> None:
    kwargs: dict[str, Any] = {"cmd": None, **request}
    if caller.caps.most:
        asked: dict[str, Any] = bind_request((), kwargs)
        job = parse_job(**asked, settings=this_settings(), catalogue=this_catalogue())
        kwargs = caller.caps.lower(kwargs, job.limits)
    run_sandboxed.apply_async(kwargs=kwargs, headers=dict(headers), task_id=job_id)


def trace_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a caller's trace, for the message: the job's spans belong to that trace."""
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    if not _TRACEPARENT.fullmatch(parent):
        return {}
    return {"traceparent": parent, **({"tracestate": state} if _TRACESTATE.fullmatch(state) else {})}
