"""Warm cells of a real worker: its keeper gives them to all pool processes, and ends with the worker."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from celery import Celery

from tests.programs import Worker, running_worker
from tests.waiting import wait_until

TASK = "cellblock.run_sandboxed"
MARK = "test ! -e /workspace/mark && touch /workspace/mark"


@dataclass(frozen=True)
class Warm:
    """A worker with warm cells of its own, and an app that sends to it."""

    worker: Worker
    owner: str
    app: Celery
    engine: docker.APIClient

    def waiting(self) -> int:
        found = self.engine.containers(
            filters={"label": [f"cellblock.owner={self.owner}", "cellblock.state=warm"]}
        )
        return len(found)

    def names(self) -> set[str]:
        found = self.engine.containers(all=True, filters={"label": f"cellblock.owner={self.owner}"})
        return {cell["Id"] for cell in found}

    def left(self) -> int:
        return len(self.names())


@pytest.fixture
def warm(
    tmp_path: Path, engine: docker.APIClient, broker_url: str, client_of: Callable[[str], Celery]
) -> Iterator[Warm]:
    owner = f"test-{secrets.token_hex(4)}"
    settings = {"CELLBLOCK_WARM": "0,bash=4", "CELLBLOCK_OWNER": owner, "CELLBLOCK_ENGINE_MARGIN": "2"}
    with running_worker(tmp_path, broker_url, "--concurrency=3", **settings) as worker:
        made = Warm(worker, owner, client_of(broker_url), engine)
        wait_until(lambda: made.waiting() == 4, 30, "four cells wait")
        yield made
    wait_until(lambda: made.left() == 0, 30, "the worker's cells are gone")


def test_all_processes_of_a_worker_share_the_cells_and_none_is_used_twice(warm: Warm) -> None:
    handles = [warm.app.send_task(TASK, [MARK, "bash"]) for _ in range(12)]
    results = [handle.get(timeout=60) for handle in handles]

    assert {result["status"] for result in results} == {"succeeded"}
    assert len({result["container"] for result in results}) == 12
    assert any(result["warm"] for result in results)


def test_while_its_keeper_is_dead_a_worker_makes_cells_cold(warm: Warm) -> None:
    (keeper,) = warm.worker.keepers
    keeper.kill()
    result = warm.app.send_task(TASK, ["echo hi", "bash"]).get(timeout=60)
    assert (result["stdout"], result["warm"]) == ("hi\n", False)


def test_a_keeper_that_has_died_is_started_again_and_clears_up(warm: Warm) -> None:
    (keeper,) = warm.worker.keepers
    before = warm.names()
    keeper.kill()
    wait_until(lambda: warm.names() and not before & warm.names(), 30, "new cells wait in place of the old")
    wait_until(
        lambda: warm.app.send_task(TASK, ["echo hi", "bash"]).get(timeout=60)["warm"], 20, "they are used"
    )


def test_a_keeper_told_to_end_takes_its_waiting_cells_away(warm: Warm) -> None:
    (keeper,) = warm.worker.keepers
    before = warm.names()
    keeper.terminate()
    wait_until(lambda: not before & warm.names(), 20, "the waiting cells are gone")
