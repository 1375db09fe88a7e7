"""The connections of a worker to Redis are cut while no other worker sends messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.chaos.workers import ChaosWorker
from tests.tasks.conftest import TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from celery import Celery

_START_S = 40.0


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
def test_a_worker_with_no_neighbours_goes_on_after_its_connections_are_cut(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery], kind: str
) -> None:
    settings = {"CELLBLOCK_BROKER_URL": broker_url, "ENABLE_DOCKER": "false"}
    options = ("--concurrency=1", "--without-gossip", "--without-mingle")
    worker = ChaosWorker("alone", settings, tmp_path / "worker.log", options)
    worker.start()
    try:
        wait_until(lambda: worker.is_ready, _START_S, "the worker is ready")
        assert client_of(broker_url).send_task(TASK, ["echo before"]).get(timeout=20)["exit_code"] == 0
        with redis.Redis.from_url(broker_url) as client:
            client.client_kill_filter(_type=kind, skipme=True)
            # Another client: this one's connections are cut as well. The job is long enough for the worker
            # to notice meanwhile, so that its message comes once more.
            job = client_of(broker_url).send_task(TASK, ["sleep 0.5; echo after"])
            assert job.get(timeout=20)["stdout"] == "after\n"
            wait_until(lambda: not client.exists("cellblock", "unacked"), _START_S, "no message is left")
    finally:
        assert worker.stop() == 0
