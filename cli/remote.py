"""`cellblock submit` and `result`: for jobs that go through the broker to a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.answer import read_answer
from cli.checks.requirements import require_broker
from cli.exit_codes import ExitCode
from cli.finish import exit_of, finish
from cli.live import show_live
from cli.patience import Patience
from cli.show import note, print_json, print_line, say
from cli.terminal import printable
from config import load_settings
from sandbox import InvalidJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.results.reader import Stored

__all__ = ["result", "submit"]

# How long to wait for the result, which is stored right after the last output.
_STORED_S = 10.0

Wait = Annotated[bool, typer.Option("--wait", help="Wait for the result and show it.")]


@options.takes_a_job
def submit(
    request: dict[str, Any],
    wait: Wait = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show the output while the job runs, then its result.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Keep the output in Redis while the job runs, for `cellblock logs -f`."),
    ] = False,
    raw: options.Raw = False,
    as_json: options.Json = False,
) -> None:
    """Enqueue a command for a worker.

    Print its id, or with --wait or --follow its result.

    Example: cellblock submit --wait -- 'echo hello'
    """
    from tasks import run_sandboxed
    from tasks.headers import LIVE

    require_broker(load_settings())
    headers = {LIVE: True} if follow or live else None
    # Keep only the id: Celery's handle would listen for the result too, and fail as the interpreter exits.
    task_id = str(run_sandboxed.apply_async(kwargs=request, headers=headers).id)
    if not wait and not follow:
        say(task_id)
        return
    try:
        if follow:
            _follow(task_id, request, raw=raw, as_json=as_json)
        _show(task_id, None, raw=raw, as_json=as_json, meanwhile=Patience(task_id, request).wear)
    except KeyboardInterrupt:
        note(f"the job goes on. Try: {_on_from_here(task_id, live=follow or live)}")
        raise


def result(
    task_id: options.TaskId,
    wait: Wait = False,
    raw: options.Raw = False,
    as_json: options.Json = False,
) -> None:
    """Show the result of a job that was submitted."""
    require_broker(load_settings())
    _show(task_id, None if wait else 0.2, raw=raw, as_json=as_json)


def _on_from_here(task_id: str, *, live: bool) -> str:
    see = "cellblock logs -f" if live else "cellblock result --wait"
    return f"{see} {task_id}, or cellblock cancel {task_id}"


def _follow(task_id: str, request: dict[str, Any], *, raw: bool, as_json: bool) -> None:
    note(f"job {task_id}")
    Patience(task_id, request).look()
    shown = show_live(task_id, raw=raw, as_json=as_json)
    _show(task_id, _STORED_S, raw=raw, as_json=as_json, shown_live=shown)


def _show(
    task_id: str,
    within_s: float | None,
    *,
    raw: bool,
    as_json: bool,
    shown_live: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    from tasks.results.reader import wait_for

    stored = wait_for(task_id, within_s, meanwhile)
    if stored is None:
        note(f"no result yet for {printable(task_id, 100)}. Try: cellblock result --wait {task_id}")
        raise typer.Exit(ExitCode.SANDBOX_FAILED)
    value = _value(stored)
    answer = read_answer(value)
    if as_json:
        if shown_live:
            print_line({"kind": "result", "result": value})
        else:
            print_json(value)
        raise typer.Exit(exit_of(answer))
    finish(answer, raw=raw, shown_live=shown_live)


def _value(stored: Stored) -> Any:  # noqa: ANN401
    """The result in `stored`. If there is none, say what happened to the job, and exit."""
    failure = stored.failure
    if failure is None:
        return stored.result
    if stored.state == "REVOKED":
        note("cancelled: the job was revoked before it started")
        raise typer.Exit(ExitCode.KILLED)
    if failure.name == "CommandFailed" and len(failure.args) == 2:
        return failure.args[1]
    if failure.name == "InvalidJob":
        raise InvalidJob(failure.message)
    said = f": {printable(failure.message, 1000)}" if failure.message else ""
    note(f"the job failed in the worker: {printable(failure.name, 100)}{said}")
    raise typer.Exit(ExitCode.SANDBOX_FAILED)
