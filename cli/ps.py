"""`cellblock ps`: the jobs that run and those that wait."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checks.requirements import require_broker
from cli.checks.workers import in_vain, unserved
from cli.options import Json
from cli.show import note, print_json, print_table
from cli.terminal import printable
from config import load_settings

if TYPE_CHECKING:
    from tasks.observe.job_list import Entry

__all__ = ["ps"]

_COLUMNS = ("id", "state", "runtime", "since", "worker", "attempt")


def ps(
    limit: Annotated[int, typer.Option(min=0, help="The largest number of waiting jobs to show.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the jobs that run and those that wait.

    The next ones come first. Their commands are not shown. It takes a second, in which the workers answer.
    `since` is how long a job has run, or has waited.
    """
    settings = load_settings()
    require_broker(settings)
    from tasks.observe.job_list import jobs_in_queues, jobs_in_workers

    strays = unserved(settings)
    queued = jobs_in_queues(settings.queues.split(","), limit)
    taken = jobs_in_workers()
    # The publisher chooses the ids, which may be no text.
    known = {printable(job.id) for job in taken}
    jobs = taken + [job for job in queued.next if printable(job.id) not in known]
    if as_json:
        print_json([asdict(job) for job in jobs])
    else:
        rows = [(job.id, job.state, job.runtime, _since(job), job.worker, job.attempt) for job in jobs]
        print_table(_COLUMNS, rows)
    if queued.waiting is None:
        note("the broker is not Redis: jobs that no worker has are not shown")
    elif queued.waiting > limit:
        note(f"{queued.waiting - limit} more messages wait. Try: cellblock ps --limit {queued.waiting}")
    for queue, count in strays.items():
        note(f"{in_vain(queue, count)}. Try: cellblock doctor workers")


def _since(job: Entry) -> str | None:
    """The time in seconds; None if the publisher gave no valid time."""
    moment = job.started or job.sent
    if not isinstance(moment, int | float) or not math.isfinite(moment):
        return None
    return f"{max(0.0, time.time() - moment):.1f} s"
