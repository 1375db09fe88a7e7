"""A web service in FastAPI that runs what its visitors send, and streams the output to their browsers.

    CELLBLOCK_BROKER_URL=redis://localhost:6379/0 uvicorn --app-dir examples/fastapi app:app

In a browser, `new EventSource("/jobs/<id>/events")` gets each piece of output as it is written. It goes on
by itself behind the last piece, if its connection is lost.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from cellblock import BrokerUnreachable, Cellblock, CellblockError, InvalidJob, QueueFull

cells = Cellblock(tenant="visitors")
app = FastAPI()

#: How a request is answered that fails with one of these errors.
STATUSES = {InvalidJob: 400, QueueFull: 429, BrokerUnreachable: 503, TimeoutError: 504}


class Program(BaseModel):
    """What a visitor sends."""

    cmd: str
    runtime: str = "bash"
    timeout: float = 10


@app.post("/jobs", status_code=202)
async def submit(program: Program) -> dict[str, str]:
    """Send a job."""
    job = await cells.submit_async(program.cmd, program.runtime, timeout=program.timeout, live=True)
    return {"id": job.id}


@app.get("/jobs/{job_id}")
async def result(job_id: str, wait: float = 30) -> dict[str, Any]:
    """The result of a job, if it is over within `wait` seconds."""
    return dict(await cells.job(job_id).get_async(timeout=wait))


@app.get("/jobs/{job_id}/events")
async def events(job_id: str, last_event_id: Annotated[str, Header()] = "0") -> StreamingResponse:
    """The output of a job while it runs, as server-sent events."""
    return StreamingResponse(_events(job_id, last_event_id), media_type="text/event-stream")


async def _events(job_id: str, after: str) -> AsyncIterator[str]:
    async for entry in cells.follow_async(job_id, after=after):
        data = json.dumps(entry.data.decode(errors="replace"))
        yield f"id: {entry.id}\nevent: {entry.kind}\ndata: {data}\n\n"


@app.delete("/jobs/{job_id}", status_code=204)
async def cancel(job_id: str) -> None:
    """End a job."""
    await cells.cancel_async(job_id)


@app.exception_handler(CellblockError)
@app.exception_handler(TimeoutError)
async def explain(_: Request, error: Exception) -> JSONResponse:
    """Answer by the name of the error."""
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
    headers = {"Retry-After": f"{error.retry_after:.0f}"} if isinstance(error, QueueFull) else {}
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status, headers)
