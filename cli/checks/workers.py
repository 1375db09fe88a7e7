"""Whether workers take jobs, and whether those of another app take from the same queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.checks.finding import ok, problem, unseen, warning
from cli.checks.requirements import broker
from config import load_settings
from config.quoting import named, quoted
from tasks.observe.stray_jobs import stray_jobs
from tasks.queue_keys import lists_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from cli.checks.finding import Finding
    from config import Settings

__all__ = ["consumers", "in_vain", "served_queues", "unserved", "workers"]

_WITHIN_S = 1.0

# The workers' register (tasks.delivery.consumers): until when each counts as alive, and its queues.
_CONSUMERS, _QUEUES = "cellblock.consumers", "cellblock.consumer:{}"
# In Kombu, the list of one priority is named by the queue's own name, this separator and more.
_BEHIND_NAME = "\x06"


def workers() -> Iterator[Finding]:
    """A worker is alive, and takes from the queue that jobs are sent to."""
    settings = load_settings()
    with broker(settings.broker) as client:
        if client is None:
            yield unseen("of RabbitMQ; rabbitmqctl list_consumers tells")
            return
        count, queues = _alive(client)
        orphans = _waiting(client, named_queues(settings) - queues)
        strays = stray_jobs(client, named_queues(settings) | queues, settings.max_message)
    for queue, jobs in (orphans | strays).items():
        yield warning(
            in_vain(queue, jobs),
            f"CELLBLOCK_QUEUES={named(queue)} for a worker",
        )
    first = settings.queues.split(",")[0]
    if not count:
        yield warning("no worker takes jobs: what is sent waits", "cellblock worker")
    elif first not in queues:
        yield warning(
            f"no worker takes from {first!r}, where jobs are sent, but from {', '.join(sorted(queues))}",
            "set CELLBLOCK_QUEUES alike for workers and apps",
        )
    else:
        who = "1 worker takes" if count == 1 else f"{count} workers take"
        yield ok(f"{who} jobs from {', '.join(sorted(queues))}")


def in_vain(queue: str, jobs: int) -> str:
    """The sentence about jobs in a queue from which no worker takes."""
    wait = "1 job waits" if jobs == 1 else f"{jobs} jobs wait"
    return f"{wait} in {quoted(queue)}, and no worker takes from it"


def named_queues(settings: Settings) -> set[str]:
    """The queues that jobs are sent to or taken from by these settings."""
    return {*settings.queues.split(","), *settings.queues_of_routes}


def unserved(settings: Settings) -> dict[str, int]:
    """How many jobs wait in each queue that these settings do not name and no live worker takes from."""
    with broker(settings.broker) as client:
        if client is None:
            return {}
        return stray_jobs(client, named_queues(settings) | _alive(client)[1], settings.max_message)


def served_queues(settings: Settings) -> set[str] | None:
    """The queues from which live workers take jobs; None if the broker can't tell."""
    with broker(settings.broker) as client:
        return None if client is None else _alive(client)[1]


def _alive(client: redis.Redis) -> tuple[int, set[str]]:
    """How many workers are alive by Redis's own clock, and the names of their queues."""
    now, _ = client.time()
    names = client.zrangebyscore(_CONSUMERS, now, "+inf")
    keys = {str(key) for name in names for key in client.smembers(_QUEUES.format(name))}
    return len(names), {key.partition(_BEHIND_NAME)[0] for key in keys}


def _waiting(client: redis.Redis, queues: set[str]) -> dict[str, int]:
    """How many jobs wait in each of these queues, of any priority; only those with some."""
    counts = {name: sum(int(client.llen(key)) for key in lists_of(name)) for name in sorted(queues)}
    return {name: count for name, count in counts.items() if count}


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
