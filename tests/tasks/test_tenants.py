"""Tenants share the workers, and queues are bounded, for every publisher."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from sandbox import QueueFull
from tasks import run_sandboxed
from tests.programs import running_worker
from tests.waiting import wait_until

TASK = "cellblock.run_sandboxed"
HOST = {"ENABLE_DOCKER": "false"}


def send(app: Celery, tenant: str, cmd: str = "sleep 0.05") -> Any:
    return app.send_task(TASK, [cmd, "bash"], headers={"cellblock_tenant": tenant}, queue="cellblock")


def test_a_tenant_waits_for_no_queue_of_another(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    crowd = [send(app, "crowd") for _ in range(60)]
    with running_worker(tmp_path, broker_url, "--concurrency=2", **HOST):
        wait_until(lambda: sum(job.ready() for job in crowd) >= 2, 30, "the crowd is under way")
        before = sum(job.ready() for job in crowd)
        assert send(app, "single").get(timeout=30)["status"] == "succeeded"
        # Two jobs may have run when it came, and some more may end before it.
        assert sum(job.ready() for job in crowd) - before <= 8
        assert {job.get(timeout=60)["status"] for job in crowd} == {"succeeded"}


def test_no_more_of_a_tenants_jobs_run_at_a_time_than_may(
    tmp_path: Path, broker_url: str, database: redis.Redis, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    jobs = [send(app, "one", "sleep 0.2") for _ in range(6)]
    other = send(app, "other")
    with running_worker(tmp_path, broker_url, "--concurrency=3", CELLBLOCK_TENANT_MAX_RUNNING="1", **HOST):
        other.get(timeout=30)
        wait_until(lambda: database.llen("cellblock") < 6, 30, "the first of them runs")
        most = 0
        while not all(job.ready() for job in jobs):
            most = max(most, sum(map(_is_of_one, database.hgetall("unacked").values())))
        assert most == 1


def _is_of_one(message: str | bytes) -> bool:
    """Whether a message that is not acknowledged is of the tenant `one`. The other's may still be there."""
    return re.search(r"cellblock_tenant\W+one\W", str(message)) is not None


def test_a_publisher_without_cellblock_gets_a_failed_task_for_a_job_that_is_too_many(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=1", CELLBLOCK_MAX_QUEUED="3", **HOST):
        running = send(app, "a", "sleep 3")
        wait_until(lambda: running.ready() or True, 1, "it is sent")
        jobs = [send(app, "a", "true") for _ in range(10)]
        wait_until(lambda: sum(job.failed() for job in jobs) >= 6, 20, "those that are too many have failed")
        full = next(job for job in jobs if job.failed())
        assert type(full.result).__name__ == "QueueFull"
        assert 0 < full.result.args[1] <= 75
        done = [job.get(timeout=30)["status"] for job in jobs if not job.failed()]
        assert 3 <= len(done) <= 4


@pytest.fixture
def bounded(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app whose settings bound its queue, on a Redis without a worker."""
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker_url)
    monkeypatch.setenv("CELLBLOCK_MAX_QUEUED", "100")
    monkeypatch.setattr(run_sandboxed.app.conf, "broker_url", broker_url)


@pytest.mark.usefixtures("bounded")
def test_of_many_publishers_at_once_none_goes_past_the_bound(database: redis.Redis) -> None:
    gate = threading.Barrier(20)

    def publish(_: int) -> list[float]:
        gate.wait()
        refused = []
        for _ in range(10):
            try:
                run_sandboxed.delay("true", "bash")
            except QueueFull as error:
                refused.append(error.retry_after)
        return refused

    with ThreadPoolExecutor(20) as pool:
        refused = [one for some in pool.map(publish, range(20)) for one in some]
    assert (database.llen("cellblock"), len(refused)) == (100, 100)
    assert all(one * 4 / 3 >= 1 and one <= 75 for one in refused)
