"""`cellblock submit` and `result`: through the broker, by a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from celery.exceptions import TimeoutError as NoResultYet

from cli import options
from cli.checks import require_broker
from cli.exit_codes import ExitCode
from cli.show import finish, note
from config import load_settings
from sandbox import CommandFailed, InvalidJob

if TYPE_CHECKING:
    from celery.result import AsyncResult

__all__ = ["result", "submit"]

Wait = Annotated[bool, typer.Option("--wait", help="Wait for the result and show it.")]


def submit(
    command: options.Command = None,
    runtime: options.Runtime = None,
    timeout: options.Timeout = None,
    grace: options.Grace = None,
    memory: options.Memory = None,
    cpus: options.Cpus = None,
    pids: options.Pids = None,
    disk: options.Disk = None,
    output_limit: options.OutputLimit = None,
    stdin: options.Stdin = None,
    env: options.Env = None,
    file: options.Files = None,
    artifact: options.Artifacts = None,
    wait: Wait = False,
    as_json: options.Json = False,
) -> None:
    """Enqueue a command for a worker and print its id, or with --wait its result.

    Example: cellblock submit --wait -- 'echo hello'
    """
    from tasks import run_sandboxed

    request = options.request_of(
        command,
        runtime=runtime,
        timeout=timeout,
        grace=grace,
        memory=memory,
        cpus=cpus,
        pids=pids,
        disk=disk,
        output_limit=output_limit,
        stdin=stdin,
        env=env,
        files=file,
        artifacts=artifact,
    )
    require_broker(load_settings())
    handle = run_sandboxed.delay(**request)
    if wait:
        _show(handle, None, as_json=as_json)
    typer.echo(handle.id)


def result(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="What `submit` printed.")],
    wait: Wait = False,
    as_json: options.Json = False,
) -> None:
    """Show the result of a job that was submitted."""
    from tasks import app

    require_broker(load_settings())
    _show(app.AsyncResult(task_id), None if wait else 0.2, as_json=as_json)


def _show(handle: AsyncResult[Any], timeout_s: float | None, *, as_json: bool) -> None:
    try:
        answer = handle.get(timeout=timeout_s)
    except NoResultYet:
        note(f"no result yet for {handle.id}. Try: cellblock result --wait {handle.id}")
        raise typer.Exit(ExitCode.SANDBOX_FAILED) from None
    except CommandFailed as error:
        answer = error.result
    except InvalidJob:
        raise
    except Exception as error:  # noqa: BLE001  whatever the worker raised comes back as itself
        note(f"the job failed in the worker: {error}")
        raise typer.Exit(ExitCode.SANDBOX_FAILED) from None
    finish(answer, as_json=as_json)
