"""An engine that is unreachable for a while: jobs wait for it, and none of them is lost or fails."""

from __future__ import annotations

import json
import signal
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox.engines.docker.client import docker_address
from tests.chaos.proxy import StallingProxy
from tests.conftest import running_cells, unavailable
from tests.engine_door import engine_door
from tests.programs import running_worker, runs, unique_sleep
from tests.tasks.conftest import TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker
    from celery import Celery
    from celery.result import AsyncResult

    from tests.engine_door import Door
    from tests.programs import Worker

pytestmark = pytest.mark.usefixtures("engine")

JOBS = 12
ENOUGH_S = 60.0
BEGINS, ENDS = "The engine is away, and no jobs are taken", "The engine is back after"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path. The path of pytest's own folder is too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="cb-away-") as name:
        yield Path(name)


@pytest.fixture
def door(folder: Path) -> Iterator[Door]:
    with engine_door(folder / "s") as door:
        yield door


@pytest.fixture
def stalling(folder: Path) -> Iterator[StallingProxy]:
    address = docker_address(load_settings())
    if not address.startswith("unix://"):
        unavailable("The engine is not on a Unix socket.")
    with StallingProxy(Path(address.removeprefix("unix://")), folder / "s") as proxy:
        yield proxy


@contextmanager
def worker_behind(
    url: str, folder: Path, broker_url: str, *options: str, **settings: str
) -> Iterator[Worker]:
    settings = {"CELLBLOCK_DOCKER_HOST": url, "CELLBLOCK_HEARTBEAT": str(folder / "beat")} | settings
    with running_worker(folder, broker_url, "--concurrency=2", *options, **settings) as worker:
        yield worker


def trouble(folder: Path) -> str | None:
    """The trouble that the worker reports in its health file, if any."""
    beat = json.loads((folder / "beat").read_text())
    said: str | None = beat["trouble"]
    return said


def send(client: Celery, number: int, cmd: str = "echo {}", **limits: object) -> AsyncResult[Any]:
    return client.send_task(TASK, [cmd.format(number), "bash"], limits, queue="cellblock")


def test_jobs_wait_for_an_engine_that_is_away_and_all_succeed_at_their_first_attempt(
    door: Door, folder: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    client = client_of(broker_url)
    with worker_behind(door.url, folder, broker_url) as worker:
        wait_until(lambda: trouble(folder) is None, 10, "the worker is well")
        door.shut()
        handles = [send(client, number) for number in range(JOBS)]
        wait_until(lambda: trouble(folder), 10, "the worker is not well")
        assert {handle.state for handle in handles} == {"PENDING"}
        door.open()
        results = [handle.get(timeout=ENOUGH_S) for handle in handles]
        wait_until(lambda: trouble(folder) is None, 10, "the worker is well again")
    assert [result["stdout"] for result in results] == [f"{number}\n" for number in range(JOBS)]
    assert {result["attempt"] for result in results} == {1}
    assert (worker.log().count(BEGINS), worker.log().count(ENDS)) == (1, 1)
    assert "Traceback" not in worker.log()


def outages_told(worker: Worker, times: int) -> bool:
    return worker.log().count(BEGINS) == times


def test_a_job_whose_cell_the_outage_takes_runs_again_at_its_first_attempt(
    door: Door, folder: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    sleep = unique_sleep(3)
    with worker_behind(door.url, folder, broker_url, CELLBLOCK_MAX_ATTEMPTS="2") as worker:
        handle = send(client_of(broker_url), 0, f"{sleep}; echo whole")
        for times in (1, 2, 3):
            wait_until(lambda: runs(sleep), 20, "the job runs")
            door.shut()
            # The log is read, because the health file may still show the outage before this one.
            wait_until(partial(outages_told, worker, times), 10, "the worker knows")
            wait_until(lambda: not runs(sleep), 10, "the cell has ended with its connection")
            door.open()
        result = handle.get(timeout=ENOUGH_S)
    assert (result["stdout"], result["attempt"]) == ("whole\n", 1)
    assert "Traceback" not in worker.log()


def test_an_engine_that_hangs_is_as_good_as_away(
    stalling: StallingProxy, folder: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    client = client_of(broker_url)
    with worker_behind(stalling.url, folder, broker_url, CELLBLOCK_ENGINE_MARGIN="3") as worker:
        wait_until(lambda: trouble(folder) is None, 10, "the worker is well")
        stalling.stall()
        handles = [send(client, number) for number in range(JOBS)]
        said = wait_until(lambda: trouble(folder), 20, "the worker is not well")
        assert "did not answer in time" in str(said)
        stalling.heal()
        results = [handle.get(timeout=ENOUGH_S) for handle in handles]
    assert {(result["status"], result["attempt"]) for result in results} == {("succeeded", 1)}
    assert "Traceback" not in worker.log()


def test_sigterm_ends_a_worker_whose_engine_hangs_and_its_jobs_stay_in_the_queue(
    stalling: StallingProxy, folder: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    client = client_of(broker_url)
    settings = {"CELLBLOCK_ENGINE_MARGIN": "3", "CELLBLOCK_DRAIN": "5"}
    with worker_behind(stalling.url, folder, broker_url, **settings) as worker:
        stalling.stall()
        wait_until(lambda: trouble(folder), 20, "the worker is not well")
        handles = [send(client, number) for number in range(3)]
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(5 + 4 * 3)
    stalling.heal()
    with worker_behind(stalling.url, folder, broker_url):
        assert [handle.get(timeout=ENOUGH_S)["attempt"] for handle in handles] == [1, 1, 1]


def test_a_worker_that_starts_before_its_engine_waits_for_it(
    door: Door, folder: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    door.shut()
    program = "celery -A tasks worker --loglevel=INFO"
    options = {"CELLBLOCK_DOCKER_HOST": door.url, "CELLBLOCK_HEARTBEAT": str(folder / "beat")}
    with running_worker(folder, broker_url, "--concurrency=1", program=program, **options):
        handle = send(client_of(broker_url), 0)
        wait_until(lambda: trouble(folder), 10, "the worker is not well")
        door.open()
        assert handle.get(timeout=ENOUGH_S)["attempt"] == 1


def test_a_job_that_breaks_its_own_cell_is_no_outage(
    door: Door, folder: Path, broker_url: str, client_of: Callable[[str], Celery], engine: docker.APIClient
) -> None:
    sleep = unique_sleep(30)
    client = client_of(broker_url)
    with worker_behind(door.url, folder, broker_url, CELLBLOCK_MAX_ATTEMPTS="1") as worker:
        handle = send(client, 0, sleep)
        wait_until(lambda: runs(sleep), 20, "the job runs")
        engine.kill(running_cells(engine)[0])
        assert "CellLost" in repr(handle.get(timeout=ENOUGH_S, propagate=False))
        assert send(client, 1).get(timeout=ENOUGH_S)["status"] == "succeeded"
    assert BEGINS not in worker.log()
