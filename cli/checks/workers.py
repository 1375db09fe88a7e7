"""Whether workers take jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.checks.finding import ok, unseen, warning
from cli.checks.requirements import broker
from config import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from cli.checks.finding import Finding

__all__ = ["alive", "workers"]

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
        count, queues = alive(client)
        orphans = _waiting(client, {*settings.queues.split(","), *settings.queues_of_routes} - queues)
    for queue, jobs in orphans.items():
        yield warning(
            f"{jobs} jobs wait in {queue!r}, and no worker takes from it",
            f"CELLBLOCK_QUEUES={queue} for a worker",
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


def alive(client: redis.Redis) -> tuple[int, set[str]]:
    """How many workers are alive by Redis's own clock, and the names of their queues."""
    now, _ = client.time()
    names = client.zrangebyscore(_CONSUMERS, now, "+inf")
    keys = {str(key) for name in names for key in client.smembers(_QUEUES.format(name))}
    return len(names), {key.partition(_BEHIND_NAME)[0] for key in keys}


def _waiting(client: redis.Redis, queues: set[str]) -> dict[str, int]:
    """How many jobs wait in each of these queues, of any priority; only those with some."""
    lists = {name: [name, *(f"{name}{_BEHIND_NAME}\x16{step}" for step in range(1, 10))] for name in queues}
    counts = {name: sum(int(client.llen(key)) for key in keys) for name, keys in sorted(lists.items())}
    return {name: count for name, count in counts.items() if count}
