"""The task that apps call."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tasks._app import app
from tasks.sandbox_task import SandboxTask

if TYPE_CHECKING:
    from sandbox import Job, Result
    from tasks.turn import Turn

__all__ = ["run_sandboxed"]


@app.task(name="cellblock.run_sandboxed", bind=True, base=SandboxTask)
def run_sandboxed(self: SandboxTask, /, *args: object, **kwargs: object) -> dict[str, Any]:
    """Run a command that nobody trusts in a cell of its own.

    Arguments: `cmd` and `runtime`, then by name `timeout`, `grace` (seconds), `memory`, `disk`,
    `output_limit` (bytes, or text such as "512m"), `cpus` (cores), `pids`, `stdin`, `env`, `files`,
    `artifacts`, `network` and `check`.

    Returns:
        The result as a JSON object; a command that fails is a result like any other.

    Raises:
        InvalidJob: the request is refused. No cell was made.
        CommandFailed: `check=True`, and the command did not succeed.
        Abandoned: it was begun too often, and each time its worker was gone before the end.
        SandboxUnavailable: the sandbox could not do its job, after several attempts.
    """
    from tasks.log_context import note_job
    from tasks.turn import Turn, Unwanted
    from tasks.worker import this_sandbox

    sandbox = this_sandbox()
    job = sandbox.parse(**self.bind_request(args, kwargs))
    note_job(runtime=job.runtime.name)
    turn = Turn(self)
    try:
        turn.begin()
    except Unwanted:
        result = _cancelled(self, job)
    else:
        result = _take(self, turn, job)
    return _answer(result, check=job.check)


def _take(task: SandboxTask, turn: Turn, job: Job) -> Result:
    """Run the job. What is not the result of a whole run is no result: the job stays somebody else's."""
    from celery.exceptions import Ignore

    from sandbox import JobError, SandboxUnavailable, together
    from tasks.live.switch import live_output
    from tasks.worker import this_sandbox

    sandbox = this_sandbox()
    try:
        with live_output(task.request, turn.attempt) as live:
            result = sandbox.run_job(
                job,
                task_id=task.request.id or "",
                worker=task.request.hostname or "",
                attempt=turn.attempt,
                queued_s=task.queued_s(),
                onlooker=together(turn, live),
            )
            if live and not turn.is_lost:
                live.end(result.status)
    except SandboxUnavailable as error:
        most, retries = sandbox.settings.max_attempts - 1, task.request.retries
        turn.end(done=retries >= most)
        raise task.retry(exc=error, countdown=_back_off_s(retries), max_retries=most) from error
    except JobError:
        task.finish_with(turn)
        raise
    except BaseException:
        turn.end(done=False)
        raise
    if turn.is_lost:
        raise Ignore("Another process runs the job by now")
    task.finish_with(turn)
    return result


def _cancelled(task: SandboxTask, job: Job) -> Result:
    from sandbox import Result, Status

    return Result.without_report(
        Status.CANCELLED,
        runtime=job.runtime.name,
        engine=task.engine,
        worker=task.request.hostname or "",
        attempt=task.request.retries + 1,
        queued_s=task.queued_s(),
    )


def _back_off_s(retries: int) -> float:
    """One second, then twice as long each time, and up to half of it more so that workers do not march."""
    return float(2**retries) * random.uniform(1.0, 1.5)  # noqa: S311  not a secret


def _answer(result: Result, *, check: bool) -> dict[str, Any]:
    from sandbox import CommandFailed, Status

    answer = result.to_dict()
    if check and result.status is not Status.SUCCEEDED:
        code = "" if result.exit_code is None else f" with exit code {result.exit_code}"
        raise CommandFailed(f"The command {result.status.replace('_', ' ')}{code}.", answer)
    return answer
