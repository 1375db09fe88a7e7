"""The connections of a worker to Redis are cut while no other worker sends messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.chaos.workers import ChaosWorker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.conftest import Send

_START_S = 40.0


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
def test_a_worker_with_no_neighbours_goes_on_after_its_connections_are_cut(
    tmp_path: Path, broker_url: str, send: Send, kind: str
) -> None:
    settings = {"CELLBLOCK_BROKER_URL": broker_url, "ENABLE_DOCKER": "false"}
    options = ("--concurrency=1", "--without-gossip", "--without-mingle")
    worker = ChaosWorker("alone", settings, tmp_path / "worker.log", options)
    worker.start()
    try:
        wait_until(lambda: worker.is_ready, _START_S, "the worker is ready")
        assert send("echo before").get(timeout=20)["stdout"] == "before\n"
        with redis.Redis.from_url(broker_url) as client:
            client.client_kill_filter(_type=kind, skipme=True)
        assert send("echo after").get(timeout=20)["stdout"] == "after\n"
    finally:
        assert worker.stop() == 0
