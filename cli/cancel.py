"""`cellblock cancel`: ends jobs that are not wanted any more."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.checks import require_broker
from cli.options import Json
from cli.show import print_json
from config import load_settings

__all__ = ["cancel"]


def cancel(
    task_ids: Annotated[list[str], typer.Argument(metavar="ID…", help="What `submit` printed.")],
    as_json: Json = False,
) -> None:
    """Have jobs end as `cancelled`, with their output so far; those that wait never start.

    A job that has ended keeps its result.
    """
    from tasks import cancel as ask

    require_broker(load_settings())
    for task_id in task_ids:
        ask(task_id)
    if as_json:
        print_json(task_ids)
