"""Whether workers of another app take from the queues that jobs are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.checks.finding import ok, problem
from config import load_settings
from config.quoting import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding

__all__ = ["consumers"]

_WITHIN_S = 1.0


def consumers() -> Iterator[Finding]:
    """No worker of another app takes from the queues of these workers."""
    from tasks import app
    from tasks.headers import TASK

    settings = load_settings()
    queues = settings.queues.split(",")
    ask = app.control.inspect(timeout=_WITHIN_S)
    taken: dict[str, Any] = ask.active_queues() or {}
    known: dict[str, Any] = ask.registered() or {}
    others = [name for name, tasks in known.items() if isinstance(tasks, list) and TASK not in tasks]
    shared = {
        str(queue.get("name"))
        for name in others
        for queue in taken.get(name) or ()
        if isinstance(queue, dict) and queue.get("name") in queues
    }
    if shared:
        yield problem(
            f"workers of another app ({', '.join(map(named, sorted(others)[:3]))}) take from"
            f" {', '.join(sorted(shared))}: either app gets the other's messages",
            "a queue of its own for each app: CELLBLOCK_QUEUES, and task_default_queue there",
        )
    else:
        yield ok(f"no worker of another app answers that takes from {', '.join(queues)}")
