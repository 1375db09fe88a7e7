"""The task that apps call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tasks._app import app
from tasks.back_off import back_off_s
from tasks.headers import TASK
from tasks.sandbox_task import SandboxTask

if TYPE_CHECKING:
    from sandbox import Job, Result, Sandbox
    from tasks.attempt import Attempt

__all__ = ["run_sandboxed"]


@app.task(name=TASK, bind=True, base=SandboxTask)
def run_sandboxed(self: SandboxTask, /, *args: object, **kwargs: object) -> dict[str, Any]:
    """Run an untrusted command in a cell of its own.

    Arguments: `cmd` and `runtime`, then by name `timeout`, `grace`, `cpu_time` (seconds), `memory`, `stack`,
    `disk`, `output_limit` (bytes, or text such as "512m"), `cpus` (cores), `pids`, `entry`, `stdin`, `env`,
    `files`, `artifacts`, `artifacts_as`, `workspace`, `keep_workspace`, `runs`, `compare`, `stop_on_failure`,
    `network` and `check`.

    Returns:
        The result as a JSON object. A command that fails has a result like any other.

    Raises:
        InvalidJob: the request is refused, or its files do not fit into the cell.
        CommandFailed: `check=True`, and the command did not succeed.
        Abandoned: it was begun too often, and each time its worker was gone before the end.
        SandboxUnavailable: the sandbox failed at each of several attempts.
    """
    from sandbox.request import bind_request
    from tasks.attempt import Attempt
    from tasks.observe.log_context import note_job
    from tasks.process import process_state

    sandbox = process_state.sandbox()
    attempt, answer = Attempt(self.request, process_state.lease_renewal), None
    process_state.begin_attempt(attempt)
    attempt.request()
    job = sandbox.parse(**bind_request(args, kwargs))
    note_job(runtime=job.runtime.name)
    while answer is None:
        answer = _take(self, sandbox, attempt, job)
    return answer


def _take(task: SandboxTask, sandbox: Sandbox, attempt: Attempt, job: Job) -> dict[str, Any] | None:
    """Wait for the lease and run the job. None if the lease was lost meanwhile: then try again."""
    from sandbox import JobError, SandboxUnavailable
    from sandbox.meter import count_error
    from tasks.attempt import Unwanted
    from tasks.engine_gate import EngineAway
    from tasks.settings import this_settings

    began = time.monotonic()
    try:
        with sandbox.ahead(job):
            attempt.begin()
            began = time.monotonic()
            result = _run(task, sandbox, attempt, job)
        answer = _answer(result, check=job.check)
    except Unwanted:
        answer = _answer(_cancelled(task, job), check=job.check)
    except SandboxUnavailable as error:
        outage = sandbox.outage(error, began)
        if not attempt.may_store():
            return None
        if outage:
            count_error("job", error)
            raise EngineAway(outage) from error
        most, retries = this_settings().max_attempts - 1, task.request.retries
        raise task.retry(exc=error, countdown=back_off_s(retries), max_retries=most) from error
    except JobError:
        if not attempt.may_store():
            return None
        raise
    if not attempt.store(task, answer):
        return None
    if attempt.run_notes:
        attempt.run_notes.forget()
    return answer


def _run(task: SandboxTask, sandbox: Sandbox, attempt: Attempt, job: Job) -> Result:
    from sandbox import together
    from sandbox.cell import JobTags
    from tasks.blobs.open import worker_blobs
    from tasks.live.write.switch import live_output
    from tasks.pool.resting_limits import limits

    soft_s = job.ladder(sandbox.settings.engine_margin).soft_s
    with limits.running(soft_s), live_output(task.request, attempt.number) as live:
        tags = JobTags(task.request.id or "", task.request.hostname or "", attempt.number, task.queued_s())
        notes = attempt.note_runs(sandbox.settings.longest.hard_s) if job.runs else None
        blobs = worker_blobs(sandbox.settings, task.tenant) if job.uses_blobs else None
        result = sandbox.run_job(job, tags, together(attempt, live, notes), blobs)
        if live and not attempt.gave_up:
            live.end(result.status)
    return result


def _cancelled(task: SandboxTask, job: Job) -> Result:
    """The result of a job that was cancelled before this process began it.

    If a process that is gone had begun the job, it contains the live output that is known of that attempt.
    """
    from sandbox import Status
    from tasks.results.so_far import result_so_far

    return result_so_far(
        task.request.id or "",
        Status.CANCELLED,
        runtime=job.runtime.name,
        engine=task.engine,
        worker=task.request.hostname or "",
        attempt=task.request.retries + 1,
        queued_s=task.queued_s(),
    )


def _answer(result: Result, *, check: bool) -> dict[str, Any]:
    from sandbox import CommandFailed, Status

    answer = result.to_dict()
    if check and result.status is not Status.SUCCEEDED:
        code = "" if result.exit_code is None else f" with exit code {result.exit_code}"
        raise CommandFailed(f"The command {result.status.replace('_', ' ')}{code}.", answer)
    return answer
