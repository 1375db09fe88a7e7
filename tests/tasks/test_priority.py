"""Which job is next: priorities, and several queues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from tests.programs import running_worker
from tests.waiting import wait_until

pytestmark = pytest.mark.engine

TASK = "cellblock.run_sandboxed"


@pytest.mark.parametrize("pool", [["--concurrency=2"], ["--autoscale", "2,1"]], ids=["fixed", "autoscaled"])
def test_an_urgent_job_waits_for_no_more_than_the_jobs_that_run(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery], pool: list[str]
) -> None:
    app = client_of(broker_url)
    with running_worker(tmp_path, broker_url, *pool):
        flood = [app.send_task(TASK, ["sleep 0.5"], priority=9) for _ in range(12)]
        wait_until(lambda: sum(job.ready() for job in flood) >= 2, 30, "the flood is under way")
        done_before = sum(job.ready() for job in flood)
        assert app.send_task(TASK, ["true"], priority=0).get(timeout=30)["status"] == "succeeded"
        # Two may have run when it came, and two more have ended in the place that it did not take.
        assert sum(job.ready() for job in flood) - done_before <= 4
        for job in flood:
            job.get(timeout=30)


def test_each_of_ten_priorities_goes_before_the_next(
    tmp_path: Path, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker_url)
