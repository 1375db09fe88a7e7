"""The pool of a worker grows with a backlog, shrinks when idle, and disturbs no job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
from celery import Celery

from tests.programs import Worker, running_worker
from tests.waiting import wait_until

pytestmark = pytest.mark.engine

Start = Callable[..., AbstractContextManager[Worker]]
TASK = "cellblock.run_sandboxed"
LEAST, MOST = 1, 4


@pytest.fixture
def start(tmp_path: Path, broker_url: str) -> Start:
    """A function that starts a worker with `LEAST` to `MOST` processes in its pool."""
    return lambda **settings: running_worker(
        tmp_path, broker_url, "--autoscale", f"{MOST},{LEAST}", **settings
    )


def test_the_pool_grows_within_seconds_and_shrinks_within_a_minute_around_a_job_that_runs(
    start: Start, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    with start() as worker:
        assert len(worker.pool) == LEAST
        long = app.send_task(TASK, ["sleep 25; echo whole"])
        short = [app.send_task(TASK, ["sleep 1"]) for _ in range(3 * MOST)]
        wait_until(lambda: len(worker.pool) == MOST, 5, "the pool is as large as it may be")
        for job in short:
            assert job.get(timeout=30)["status"] == "succeeded"
        wait_until(lambda: len(worker.pool) == LEAST, 30, "the pool is small again")
        result = long.get(timeout=30)
        assert (result["stdout"], result["attempt"]) == ("whole\n", 1)


def test_the_pool_grows_no_further_than_the_host_can_hold(
    start: Start, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    third = str(psutil.virtual_memory().total // 3)
    app = client_of(broker_url)
    with start(DOCKER_MEMORY_LIMIT=third, CELLBLOCK_MAX_MEMORY=third) as worker:
        jobs = [app.send_task(TASK, ["sleep 1"], {"memory": "64m"}) for _ in range(2 * MOST)]
        sizes = [len(worker.pool) for job in jobs if job.get(timeout=30)]
        assert (max(sizes), "This host holds 3 jobs" in worker.log()) == (3, True)
