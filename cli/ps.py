"""`cellblock ps`: the jobs that run and those that wait."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.checks import require_broker
from cli.options import Json
from cli.show import note, print_json
from config import load_settings

if TYPE_CHECKING:
    from tasks.roster import Entry

__all__ = ["ps"]

# Wide enough that no cell of a table is cut where a program reads it.
_PIPE_COLUMNS = 320
_COLUMNS = ("id", "state", "runtime", "since", "worker", "attempt")


def ps(
    limit: Annotated[int, typer.Option(min=0, help="Show so many of the jobs that no worker has yet.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the jobs that run and those that wait, the next ones first; not what they run.

    It takes a second, in which the workers answer. `since` is how long a job has run, or has waited.
    """
    settings = load_settings()
    require_broker(settings)
    from tasks.roster import jobs_in_queues, jobs_in_workers

    queued = jobs_in_queues(settings.queues.split(","), limit)
    taken = jobs_in_workers()
    known = {job.id for job in taken}
    jobs = taken + [job for job in queued.next if job.id not in known]
    if as_json:
        print_json([asdict(job) for job in jobs])
    else:
        _print_table(jobs)
    if queued.waiting is None:
        note("the broker is not Redis: jobs that no worker has are not shown")
    elif queued.waiting > limit:
        note(f"{queued.waiting - limit} more messages wait. Try: cellblock ps --limit {queued.waiting}")


def _print_table(jobs: list[Entry]) -> None:
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for job in jobs:
        table.add_row(job.id, job.state, job.runtime or "-", _since(job), job.worker or "-", str(job.attempt))
    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)


def _since(job: Entry) -> str:
    moment = job.started or job.sent
    return f"{max(0.0, time.time() - moment):.1f} s" if moment else "-"
