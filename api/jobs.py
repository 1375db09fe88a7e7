"""The addresses of jobs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query, Response
from redis.exceptions import RedisError

from api.answers import Job, json_response
from api.body import read_body
from api.ending import end
from api.event_stream import EventStream, gone
from api.events import ENDED, FIRST, check_last_id, events_of
from api.openapi_parts import EVENTS, JOB_BODY, JOB_LINKS, problems
from api.outcome import LONGEST_WAIT_S, find_ended, shown, state_of, wait_for_end
from api.parts import most_body_bytes
from api.problems import Problem
from api.requests import Call, Calling, OwnJob
from api.submission import Submission

if TYPE_CHECKING:
    from api.outcome import Ended

__all__ = ["jobs"]

jobs = APIRouter(prefix="/v1/jobs", tags=["jobs"])

Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="For how many seconds to wait for the result.",
    ),
]


@jobs.post(
    "",
    status_code=202,
    response_model=Job,
    openapi_extra=JOB_BODY,
    responses=JOB_LINKS | problems(400, 401, 408, 413, 415, 422, 429, 503),
)
async def submit(
    *,
    call: Calling,
    wait: Wait = 0.0,
    live: Annotated[bool, Query(description="Keep the output while the job runs, for its events.")] = True,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[!-~]+$",
            description="Sent again with the same key and the same body, the request makes no second job.",
        ),
    ] = None,
) -> Response:
    """Send a job. The answer has its result, if it ends within `wait` seconds."""
    body = await read_body(call.request, most_body_bytes(), call.body_share())
    if wait:
        call.stay_open()
    submission = Submission(call, body, idempotency_key, live=live)
    is_new = await submission.send()
    if is_new and not wait:
        return _unfinished(submission.job_id, "queued", 202)
    try:
        return await _answer(call, submission.job_id, wait, running_status=202)
    except (Problem, RedisError, OSError):
        # The job is sent: whoever asked for it must learn its id.
        return _unfinished(submission.job_id, "queued", 202)


@jobs.get(
    "/{id}", response_model=Job, response_description="The job.", responses=problems(401, 404, 422, 429, 503)
)
async def look(call: Calling, job_id: OwnJob, wait: Wait = 0.0) -> Response:
    """The state of a job, and its result once it is over."""
    if wait:
        call.stay_open()
    return await _answer(call, job_id, wait, running_status=200)


@jobs.delete(
    "/{id}",
    response_model=Job,
    response_description="The job ends, or has ended.",
    status_code=202,
    responses=problems(401, 404, 503),
)
async def cancel(call: Calling, job_id: OwnJob) -> Response:
    """Cancel a job: it ends within two seconds as `cancelled`, or does not start. One that is over stays."""
    await call.parts.sender.cancel(job_id)
    return await _answer(call, job_id, 0, running_status=202, done_status=202)


@jobs.get(
    "/{id}/events",
    status_code=200,
    response_class=Response,
    responses=EVENTS | problems(401, 404, 422, 429, 503),
)
async def events(
    call: Calling,
    job_id: OwnJob,
    last_event_id: Annotated[
        str,
        Header(
            pattern=r"^(end|[0-9]{1,20}(-[0-9]{1,20})?)$",
            description="The id of the last event that you have got: those after it follow.",
        ),
    ] = FIRST,
) -> Response:
    """The output of a job while it runs, as server-sent events. The last one is `end`."""
    after = check_last_id(last_event_id)
    if after == ENDED:
        # A browser that is told so does not connect again.
        return Response(status_code=204)
    call.stay_open()
    return EventStream(events_of(job_id, after, call.parts.store, call.result_share()), call.parts.closing)


async def _answer(
    call: Call, job_id: str, wait_s: float, *, running_status: int, done_status: int = 200
) -> Response:
    ended = await _ended(call, job_id, wait_s)
    if ended is None:
        return _unfinished(job_id, await state_of(call.parts.store, job_id), running_status)
    return json_response(await shown(job_id, ended), done_status, Location=_place(job_id))


def _unfinished(job_id: str, state: str, status: int) -> Response:
    about = {"id": job_id, "state": state, "result": None, "error": None}
    return json_response(json.dumps(about), status, Location=_place(job_id))


def _place(job_id: str) -> str:
    return f"/v1/jobs/{job_id}"


async def _ended(call: Call, job_id: str, wait_s: float) -> Ended | None:
    """What came of the job. Nobody is waited for who has gone, nor when the API is told to stop."""
    parts, share = call.parts, call.result_share()
    if not wait_s:
        return await find_ended(parts.store, job_id, share)
    waiting = asyncio.ensure_future(wait_for_end(parts.store, parts.arrivals, job_id, wait_s, share))
    others = [asyncio.ensure_future(gone(call.request.receive)), asyncio.ensure_future(parts.closing.wait())]
    try:
        await asyncio.wait([waiting, *others], return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        await end(waiting, *others)
