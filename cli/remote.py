"""`cellblock submit` and `result`: through the broker, by a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from celery.exceptions import TimeoutError as NoResultYet

from cli import options
from cli.checks import require_broker
from cli.exit_codes import ExitCode, exit_code_of
from cli.live import show_live
from cli.show import finish, note, print_line
from config import load_settings
from sandbox import CommandFailed, InvalidJob

if TYPE_CHECKING:
    from celery.result import AsyncResult

__all__ = ["result", "submit"]

Follow = Annotated[
    bool, typer.Option("--follow", help="Show the output while the job runs, then what became of it.")
]
# A result is stored right after the last of the output.
_STORED_S = 10.0

Wait = Annotated[bool, typer.Option("--wait", help="Wait for the result and show it.")]


@options.takes_a_job
def submit(
    request: dict[str, Any],
    wait: Wait = False,
    follow: Follow = False,
    as_json: options.Json = False,
) -> None:
    """Enqueue a command for a worker and print its id, or with --wait or --follow its result.

    Example: cellblock submit --wait -- 'echo hello'
    """
    from tasks import run_sandboxed
    from tasks.live.switch import LIVE

    require_broker(load_settings())
    handle = run_sandboxed.apply_async(kwargs=request, headers={LIVE: True} if follow else None)
    if follow:
        _follow(handle, as_json=as_json)
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


def _follow(handle: AsyncResult[Any], *, as_json: bool) -> None:
    note(f"job {handle.id}")
    try:
        live = show_live(handle.id, as_json=as_json)
    except KeyboardInterrupt:
        note(f"the job goes on. Try: cellblock logs -f {handle.id}, or cellblock cancel {handle.id}")
        raise
    _show(handle, _STORED_S, as_json=as_json, shown_live=live)


def _show(
    handle: AsyncResult[Any], timeout_s: float | None, *, as_json: bool, shown_live: bool = False
) -> None:
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
    if as_json and shown_live:
        print_line({"kind": "result", "result": answer})
        raise typer.Exit(exit_code_of(answer))
    finish(answer, as_json=as_json, shown_live=shown_live)
