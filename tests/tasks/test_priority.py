"""Which job runs next: priorities, and several queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from config import load_settings
from config.celery_conf import celery_config
from tests.programs import run_cli, running_worker
from tests.waiting import wait_until

pytestmark = pytest.mark.engine

TASK = "cellblock.run_sandboxed"


@pytest.fixture
def ours(broker_url: str) -> Iterator[Celery]:
    """An app with cellblock's configuration of Celery."""
    app = Celery("ours", set_as_current=False)
    app.conf.update(celery_config(load_settings(broker_url=broker_url)))
    yield app
    app.close()


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
        # Two jobs may have run when the urgent one came. The other process may have ended two more since.
        assert sum(job.ready() for job in flood) - done_before <= 4
        for job in flood:
            job.get(timeout=30)


def test_ten_priorities_are_ten_places_in_the_queue(tmp_path: Path, broker_url: str, ours: Celery) -> None:
    sent = [ours.send_task(TASK, ["true"], priority=priority) for priority in reversed(range(10))]
    with running_worker(tmp_path, broker_url, "--concurrency=1"):
        for job in sent:
            job.get(timeout=30)
    assert sorted(sent, key=lambda job: str(job.date_done)) == sent[::-1]


def test_a_stock_publisher_is_served_whatever_its_priority(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    sent = [app.send_task(TASK, ["true"], priority=priority) for priority in range(10)]
    with running_worker(tmp_path, broker_url, "--concurrency=1"):
        assert {job.get(timeout=30)["status"] for job in sent} == {"succeeded"}


def test_a_worker_serves_its_queues_and_no_others(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=1", CELLBLOCK_QUEUES="heavy"):
        app.send_task(TASK, ["true"], queue="cellblock")
        assert app.send_task(TASK, ["true"], queue="heavy").get(timeout=30)["status"] == "succeeded"
    assert emptied(broker_url, "cellblock") == [1]


def test_a_runtime_with_a_route_goes_to_its_queue(broker_url: str) -> None:
    for runtime in ("python", "bash"):
        done = run_cli(
            *("submit", "--runtime", runtime, "--", "true"),
            CELLBLOCK_BROKER_URL=broker_url,
            CELLBLOCK_ROUTES="python=heavy",
        )
        assert done.returncode == 0, done.stderr
    assert emptied(broker_url, "heavy", "cellblock") == [1, 1]


def emptied(broker_url: str, *queues: str) -> list[int]:
    """Empty the queues, and return how many jobs waited in each."""
    with redis.Redis.from_url(broker_url) as server:
        lengths = [server.llen(queue) for queue in queues]
        server.delete(*queues)
    return lengths


def test_a_queue_with_a_long_backlog_does_not_keep_another_waiting(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    busy = [app.send_task(TASK, ["true"], queue="busy") for _ in range(30)]
    quiet = [app.send_task(TASK, ["true"], queue="quiet") for _ in range(3)]
    settings = {"CELLBLOCK_QUEUES": "busy,quiet", "ENABLE_DOCKER": "false"}
    with running_worker(tmp_path, broker_url, "--concurrency=1", **settings):
        for job in busy + quiet:
            job.get(timeout=60)
    ended = sorted(busy + quiet, key=lambda job: str(job.date_done))
    assert max(map(ended.index, quiet)) <= 8
