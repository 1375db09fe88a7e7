"""The tools `run`, `result` and `cancel`: jobs whose commands the model chooses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from api.mcp.answer import ended_answer, running_answer
from api.mcp.files import path_in, result_of
from api.mcp.images import IMAGES
from api.mcp.new_images import new_images
from api.mcp.refusal import Refused
from api.outage import note_outage
from tasks.settings import this_catalogue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.types import CallToolResult

    from api.mcp.arguments import RunArguments
    from api.mcp.job import Job
    from api.mcp.workspace import Workspace

    Report = Callable[[float, str], Awaitable[None]]

__all__ = ["cancel", "result", "run"]

# What a program is called whose name nobody has given. It shadows no module of any language.
_PROGRAM = "snippet"
# These own files that are no text.
_BINARY = {".dll", ".jar"}
_MOST_MESSAGE = 200


async def run(workspace: Workspace, asked: RunArguments, until_s: float, report: Report) -> CallToolResult:
    """Run a command or a program. The answer has its result, or its id if it is not over by `until_s`.

    Raises:
        Refused: the job before is not over, or this one has no result.
        CellblockError: the job could not be sent.
    """
    job = await workspace.begin(_request(asked), until_s, keeps=True, live=True)
    workspace.remember(job)
    try:
        return await _answer(workspace, job, until_s, report)
    except asyncio.CancelledError:
        # The client wants no answer any more, or is gone.
        workspace.stop_soon(job)
        raise


async def result(workspace: Workspace, job_id: str | None, until_s: float, report: Report) -> CallToolResult:
    """The result of a job, or its newest output if it is not over by `until_s`.

    Raises:
        Refused: this session has no such job, or the job has no result.
        redis.exceptions.RedisError: there was no answer.
    """
    found, job = workspace.find(job_id)
    if job is not None:
        return await _answer(workspace, job, until_s, report)
    stored = await workspace.jobs.look(found)
    if stored is None:
        raise Refused(f"Job {found} has ended, and its result has expired.")
    kept = result_of(stored, workspace)
    return ended_answer(found, kept, await new_images(kept, workspace), "")


async def cancel(workspace: Workspace, job_id: str | None) -> CallToolResult:
    """End a job. The answer has its result, with the output so far.

    Raises:
        Refused: this session has no such job, or the job had not started.
        redis.exceptions.RedisError: Redis was not told.
    """
    found, job = workspace.find(job_id)
    if job is None:
        raise Refused(f"Job {found} is over already. Try: `result`")
    await job.stop()
    if job.stored is None:
        raise Refused(f"Job {found} was cancelled. It had not started, and will not.")
    return await _ended(workspace, job)


def _request(asked: RunArguments) -> dict[str, Any]:
    files: dict[str, Any] = {path_in(path): text for path, text in (asked.files or {}).items()}
    given = {"stdin": asked.stdin, "timeout": asked.timeout_s, "runtime": asked.runtime}
    request: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    request |= {"artifacts": IMAGES, "artifacts_as": "ref"}
    if (asked.command is None) == (asked.code is None):
        raise Refused("Give either `command` or `code`.")
    if asked.code is None:
        return {"cmd": asked.command, **request, **({"files": files} if files else {})}
    runtime = asked.runtime or "python"
    program = f"{_PROGRAM}{_ending(runtime)}"
    files[program] = asked.code
    return {"cmd": None, **request, "runtime": runtime, "files": files, "entry": program}


def _ending(name: str) -> str:
    """The ending of a program for a runtime. One that extends another may have none of its own."""
    catalogue, wanted = this_catalogue(), name.lower()
    runtime = next((one for one in catalogue.values() if wanted in (one.name, *one.aliases)), None)
    while runtime:
        if own := [ending for ending in runtime.extensions if ending not in _BINARY]:
            return own[0]
        runtime = catalogue.get(runtime.extends or "")
    return ".txt"


async def _answer(workspace: Workspace, job: Job, until_s: float, report: Report) -> CallToolResult:
    async def tick() -> None:
        await report(job.seconds, job.newest.last_line[-_MOST_MESSAGE:] or f"{job.seconds:.0f} s")

    if await job.wait(until_s, tick):
        return await _ended(workspace, job)
    return running_answer(job, await _state(workspace, job))


async def _state(workspace: Workspace, job: Job) -> str:
    """Whether a job that is not over runs. Whoever asked for it learns its id, also while Redis is away."""
    if job.newest.has_started:
        return "running"
    try:
        return "running" if await workspace.jobs.runs(job.id) else "queued"
    except (RedisError, OSError) as error:
        note_outage(error)
        return "unknown"


async def _ended(workspace: Workspace, job: Job) -> CallToolResult:
    if job.stored is None:
        raise Refused(f"Job {job.id} was cancelled. It had not started, and will not.")
    ended = result_of(job.stored, workspace)
    return ended_answer(job.id, ended, await new_images(ended, workspace), job.not_kept)
