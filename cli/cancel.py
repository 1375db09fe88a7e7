"""`cellblock cancel`: ends jobs that are not wanted any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.checks.requirements import require_broker
from cli.checks.workers import served_queues
from cli.exit_codes import ExitCode
from cli.options import Json, check_id
from cli.show import note, print_json
from cli.terminal import printable
from config import load_settings

if TYPE_CHECKING:
    from config import Settings

__all__ = ["cancel"]

_ID = 100


def _check_ids(task_ids: list[str]) -> list[str]:
    return [check_id(task_id) for task_id in task_ids]


def cancel(
    task_ids: Annotated[
        list[str], typer.Argument(metavar="ID…", help="The ids that `submit` printed.", callback=_check_ids)
    ],
    as_json: Json = False,
) -> None:
    """Cancel jobs: they end as `cancelled`, with their output so far. Jobs that wait never start.

    A job that has ended keeps its result. Exit code 125 if any of the ids is not known.
    """
    from tasks import cancel as ask

    settings = load_settings()
    require_broker(settings)
    for task_id in task_ids:
        ask(task_id)
    known = _known(task_ids, settings)
    if as_json:
        print_json(known)
    if len(known) < len(task_ids):
        raise typer.Exit(ExitCode.SANDBOX_FAILED)


def _known(task_ids: list[str], settings: Settings) -> list[str]:
    """The ids that are known. Notes for the user what is unexpected about an id."""
    from tasks.observe.job_lookup import JobLookup

    served = served_queues(settings)
    where = JobLookup(sorted({*settings.queues.split(","), *settings.queues_of_routes, *(served or ())}))
    known = []
    for task_id in task_ids:
        shown = printable(task_id, _ID)
        if where.ended(task_id):
            note(f"{shown} has ended already, and keeps its result. See: cellblock result {shown}")
        elif not where.knows(task_id):
            note(f"nothing is known of {shown}; if it arrives later, it will not start. See: cellblock ps")
            continue
        elif served is not None and not served:
            note(f"{shown} waits, and no worker is alive: it ends as cancelled once one is")
        known.append(task_id)
    return known
