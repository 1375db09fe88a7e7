"""Finds what is left at the end of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tests.waiting import becomes

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import redis

    from tests.chaos.stage import Stage

__all__ = ["Left", "find_left", "messages_in", "stop_workers"]

# A reaper needs at most this long, whatever is left.
_GONE_S = 60.0


@dataclass(frozen=True, slots=True)
class Left:
    """The jobs without a result, and everything that should have been removed."""

    lost: list[str]
    stuck: list[str]
    cells: list[str]
    remains: list[str]
    keys: list[str]


def find_left(stage: Stage, unfinished: AbstractSet[str]) -> Left:
    """Look for the unfinished jobs in Redis. Give the workers a minute to remove everything else."""
    with stage.redis.client() as client:
        known = messages_in(client)
        keys = [key for key in client.scan_iter() if client.ttl(key) == -1 and not key.startswith(_OF_KOMBU)]
    becomes(lambda: not (stage.engine.cells() or stage.engine.remains()), _GONE_S)
    stuck = sorted(job_id for job_id in unfinished if job_id in known)
    lost = sorted(unfinished - set(stuck))
    return Left(lost, stuck, stage.engine.cells(), stage.engine.remains(), keys)


def stop_workers(stage: Stage) -> list[str]:
    """Stop every worker with SIGTERM. Returns the ones that did not end with exit code 0."""
    codes = {post.worker.hostname: post.worker.stop() for post in stage.posts}
    return [f"{name}: {code}" for name, code in codes.items() if code != 0]


_OF_KOMBU = ("_kombu.binding", "unacked")


def messages_in(client: redis.Redis) -> str:
    """Everything in the broker that may contain a job: queues and unacknowledged messages."""
    texts: list[str] = []
    for key in client.scan_iter():
        kind = client.type(key)
        if kind == "list":
            texts += cast("list[str]", client.lrange(key, 0, -1))
        elif kind == "hash":
            texts += cast("list[str]", client.hvals(key))
    return json.dumps(texts)
