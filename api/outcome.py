"""The state of a job as the API shows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.concurrency import run_in_threadpool

from api.body import LARGE_BYTES
from tasks.results.encoding import encode
from tasks.results.reader import Failure, Stored, read_stored

if TYPE_CHECKING:
    from api.arrivals import Arrivals
    from api.budget import Share
    from api.store import Store

__all__ = ["LONGEST_WAIT_S", "Ended", "error_of", "find_ended", "shown", "state_of", "wait_for_end"]

#: How long a request may wait for a result, in seconds.
LONGEST_WAIT_S = 60.0

# The first look, if the subscription is not confirmed meanwhile, and later ones, if nothing is heard.
_FIRST_LOOK_S, _LOOK_S = 0.1, 1.0
# The errors whose messages are about the job. The others are about the operator's machines.
_OF_JOBS = {"InvalidJob", "CommandFailed", "Abandoned", "QueueFull"}
_MOST_CHARS = 1000


class Ended(NamedTuple):
    """What is stored of a job that is over, and whether that is large."""

    stored: Stored
    is_large: bool


async def find_ended(store: Store, job_id: str, share: Share) -> Ended | None:
    """What is stored of a job, if it is over. A large result counts in `share`."""
    payload = await store.payload(job_id, share)
    return await _read(payload) if payload else None


async def _read(payload: bytes) -> Ended | None:
    large = len(payload) > LARGE_BYTES
    stored = await run_in_threadpool(read_stored, payload) if large else read_stored(payload)
    return Ended(stored, large) if stored.is_ready else None


async def wait_for_end(
    store: Store, arrivals: Arrivals, job_id: str, within_s: float, share: Share
) -> Ended | None:
    """The same, waiting for up to `within_s` seconds."""
    until_s, look_s = time.monotonic() + within_s, _FIRST_LOOK_S
    async with arrivals.of(job_id) as arrival:
        while (left_s := until_s - time.monotonic()) > 0:
            published = await arrival.wait(min(left_s, look_s))
            look_s = _LOOK_S
            ended = await (_read(published) if published else find_ended(store, job_id, share))
            if ended:
                return ended
    return None


async def state_of(store: Store, job_id: str) -> str:
    """The state of a job that is not over: `running`, or `queued` also between two attempts."""
    return "running" if await store.runs(job_id) else "queued"


async def shown(job_id: str, ended: Ended) -> str | bytearray:
    """The JSON of a job that is over."""
    stored, is_large = ended
    about = {"id": job_id, "state": "done", "result": _result(stored), "error": error_of(stored)}
    return await run_in_threadpool(encode, about) if is_large else encode(about)


def _result(stored: Stored) -> dict[str, Any] | None:
    failure = stored.failure
    if failure and failure.name == "CommandFailed" and len(failure.args) == 2:
        return failure.args[1] if isinstance(failure.args[1], dict) else None
    return stored.result if isinstance(stored.result, dict) else None


def error_of(stored: Stored) -> dict[str, str] | None:
    """Why a job has no result, or that its command did not succeed; None for a job that has just a result."""
    if stored.state == "REVOKED":
        return {"name": "Revoked", "message": "The job was cancelled before it started."}
    if stored.failure is None:
        return None if isinstance(stored.result, dict) else _UNREADABLE
    return {"name": stored.failure.name[:_MOST_CHARS], "message": _message(stored.failure)}


_UNREADABLE = {"name": "UnreadableResult", "message": "What is stored of the job is no result."}


def _message(failure: Failure) -> str:
    if failure.name in _OF_JOBS:
        return failure.message[:_MOST_CHARS]
    return "The sandbox could not run the job, through no fault of the job. The operator's log says more."
