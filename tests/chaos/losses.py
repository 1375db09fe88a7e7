"""Counts the messages that are lost when a worker is killed: `python -m tests.chaos.losses`.

A busy worker runs jobs that do nothing on the host, and is killed with SIGKILL at random moments. `--stock`
measures the same with the transport that comes with Celery.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from celery import Celery

from tests.chaos.aftermath import messages_in
from tests.chaos.durable_redis import DurableRedis
from tests.chaos.results import RESULT_KEY
from tests.chaos.workers import ChaosWorker
from tests.waiting import becomes, wait_until

if TYPE_CHECKING:
    import redis

__all__ = ["Losses", "count_losses"]

_START_S = 60.0
# No new result for this long means the end: it is longer than it takes to notice that a worker is gone.
_STALLED_S = 60.0
_STOCK = ("celery", "-A", "tests.chaos.stock", "worker")
_TASK = "cellblock.run_sandboxed"


@dataclass(frozen=True, slots=True)
class Losses:
    """The counts of a run. `pending` jobs are still in Redis; `lost` jobs are nowhere."""

    transport: str
    jobs: int
    kills: int
    done: int
    wrong: int
    pending: int
    lost: int
    took_s: float


def count_losses(jobs: int, kills: int, *, seed: int = 1, stock: bool = False) -> Losses:
    """Send all jobs at once, kill the busy worker again and again, and count what is left."""
    random, began = Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cb-losses-") as name, DurableRedis(Path(name)) as server:
        ids = _send(server.url, jobs)
        worker = ChaosWorker("losses", _settings(server.url), Path(name, "worker.log"))
        if stock:
            worker.program = _STOCK
        client = server.client()
        try:
            for number in range(kills):
                worker.start()
                _wait_for_progress(client, random.randint(1, 2 * jobs // (3 * kills)))
                worker.kill()
                print(f"kill {number + 1}: {_count(client)} results", file=sys.stderr, flush=True)
            worker.start()
            _wait_until_stalled(client, jobs)
            states = Counter(_states(client, ids))
            known = messages_in(client)
            pending = sum(job_id in known for job_id in ids if not client.exists(RESULT_KEY + job_id))
        finally:
            worker.kill()
            client.close()
    return Losses(
        transport="stock" if stock else "cellblock",
        jobs=jobs,
        kills=kills,
        done=states["SUCCESS"],
        wrong=sum(states.values()) - states["SUCCESS"] - states[""],
        pending=pending,
        lost=states[""] - pending,
        took_s=round(time.monotonic() - began, 1),
    )


def main() -> int:
    """Measure and print. Returns 1 if a job was lost or has a wrong result."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.losses", description=__doc__)
    parser.add_argument("--jobs", type=int, default=12_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stock", action="store_true", help="with the transport that comes with Celery")
    options = parser.parse_args()
    losses = count_losses(options.jobs, options.kills, seed=options.seed, stock=options.stock)
    print(json.dumps(asdict(losses), indent=1))
    return 1 if losses.lost or losses.wrong else 0


def _settings(url: str) -> dict[str, str]:
    return {"CELLBLOCK_BROKER_URL": url, "ENABLE_DOCKER": "false", "CELLBLOCK_LOG_LEVEL": "ERROR"}


def _send(url: str, jobs: int) -> list[str]:
    app = Celery("elsewhere", broker=url, set_as_current=False)
    ids = [str(uuid.uuid4()) for _ in range(jobs)]
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for job_id in ids:
            app.send_task(_TASK, [["true"]], task_id=job_id, producer=producer, queue="cellblock")
    app.close()
    return ids


def _count(client: redis.Redis) -> int:
    return sum(1 for _ in client.scan_iter(f"{RESULT_KEY}*", count=10_000))


def _wait_for_progress(client: redis.Redis, more: int) -> None:
    wanted = _count(client) + more
    wait_until(lambda: _count(client) >= wanted, _START_S, f"{more} more jobs are done")


def _wait_until_stalled(client: redis.Redis, jobs: int) -> None:
    count = -1
    while count < jobs and _changes(client, count):
        count = _count(client)


def _changes(client: redis.Redis, count: int) -> bool:
    return becomes(lambda: _count(client) != count, _STALLED_S)


def _states(client: redis.Redis, ids: list[str]) -> list[str]:
    texts = client.mget([RESULT_KEY + job_id for job_id in ids])
    return [json.loads(text)["status"] if text else "" for text in texts]


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
