"""The task that apps call."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tasks._app import app
from tasks.sandbox_task import SandboxTask

if TYPE_CHECKING:
    from sandbox import Result

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
        SandboxUnavailable: the sandbox could not do its job, after several attempts.
    """
    from sandbox import SandboxUnavailable
    from tasks.worker import this_sandbox

    sandbox = this_sandbox()
    job = sandbox.parse(**self.bind_request(args, kwargs))
    try:
        result = sandbox.run_job(
            job,
            task_id=self.request.id or "",
            worker=self.request.hostname or "",
            attempt=self.request.retries + 1,
            queued_s=self.queued_s(),
        )
    except SandboxUnavailable as error:
        raise self.retry(
            exc=error,
            countdown=_back_off_s(self.request.retries),
            max_retries=sandbox.settings.max_attempts - 1,
        ) from error
    return _answer(result, check=job.check)


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
