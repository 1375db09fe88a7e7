"""Every job gets one result, even if the process, the worker or the connection that had it is lost."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import redis

from sandbox import Abandoned
from tests.programs import await_output, run_cli, running_worker, runs, unique_sleep
from tests.tasks.conftest import ANSWER_S, TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker
    from celery import Celery

    from tests.programs import Worker

    ClientOf = Callable[[str], Celery]

pytestmark = pytest.mark.usefixtures("engine")

#: After this many seconds of silence a worker counts as lost.
BRISK = {"CELLBLOCK_SILENCE": "3"}
MOST_S = 30.0


@pytest.fixture
def database(broker_url: str) -> Iterator[redis.Redis]:
    """A client of the broker's Redis."""
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client


def _runs(cmd: str) -> Callable[[], bool]:
    return lambda: runs(cmd)


def test_a_job_whose_whole_worker_is_killed_runs_again_on_another(
    tmp_path: Path, broker_url: str, client_of: ClientOf
) -> None:
    sleep = unique_sleep(3)
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK) as doomed:
        handle = client_of(broker_url).send_task(TASK, [f"{sleep}; echo done", "bash"])
        wait_until(_runs(sleep), ANSWER_S, "the job runs")
        doomed.process.kill()
    wait_until(lambda: not runs(sleep), 5, "the job has died with its worker")
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK):
        wait_until(_runs(sleep), MOST_S, "the job runs again")
        result = handle.get(timeout=ANSWER_S)
    assert (result["stdout"], result["attempt"]) == ("done\n", 2)


def test_what_a_worker_had_only_taken_is_given_back(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    handle = client_of(broker_url).send_task(TASK, ["echo hi", "bash"], queue="cellblock")
    database.lmove("cellblock", "cellblock.taken:gone:cellblock", "RIGHT", "LEFT")
    database.sadd("cellblock.consumer:gone", "cellblock")
    database.zadd("cellblock.consumers", {"gone": 1})
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK):
        assert handle.get(timeout=MOST_S)["stdout"] == "hi\n"


def test_a_job_that_is_delivered_twice_runs_once(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    sleep = unique_sleep(4)
    app = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=2", **BRISK) as worker:
        handle = app.send_task(TASK, [f"{sleep}; echo once", "bash"])
        wait_until(_runs(sleep), ANSWER_S, "the job runs")
        database.client_kill_filter(_type="normal", skipme=True)
        wait_until(
            lambda: "Restoring" in worker.log() or "Connection to broker lost" in worker.log(), 10, "reset"
        )
        result = handle.get(timeout=ANSWER_S)
        wait_until(lambda: not database.exists("cellblock", "unacked"), MOST_S, "no message is left")
        assert (result["stdout"], result["attempt"]) == ("once\n", 1)
        assert worker.log().count("The job has ended") == 1


def test_a_job_that_kills_its_process_each_time_fails_and_says_so(
    tmp_path: Path, broker_url: str, client_of: ClientOf
) -> None:
    sleep = unique_sleep(30)
    most = {"CELLBLOCK_MAX_ATTEMPTS": "2"}
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK, **most) as worker:
        handle = client_of(broker_url).send_task(TASK, [sleep, "bash"])
        for _ in range(2):
            wait_until(_runs(sleep), ANSWER_S, "the job runs")
            os.kill(_pool_process(worker, handle.id), signal.SIGKILL)
            wait_until(lambda: not runs(sleep), 5, "its cell is dead")
        with pytest.raises(Abandoned, match="begun 2 times"):
            handle.get(timeout=ANSWER_S)


def test_a_job_that_takes_its_whole_worker_down_each_time_is_not_retried_for_ever(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    handle = client_of(broker_url).send_task(TASK, ["echo never", "bash"])
    database.set(f"cellblock.attempts:{handle.id}", 4, ex=60)
    with (
        running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK),
        pytest.raises(Abandoned, match="each time its worker was gone"),
    ):
        handle.get(timeout=ANSWER_S)


def test_a_job_whose_process_is_frozen_has_timed_out_with_the_output_that_was_streamed(
    tmp_path: Path, broker_url: str, client_of: ClientOf, engine: docker.APIClient
) -> None:
    sleep = unique_sleep(30)
    live = {"CELLBLOCK_ENGINE_MARGIN": "2", "CELLBLOCK_LIVE": "on"}
    with running_worker(tmp_path, broker_url, "--concurrency=1", **live) as worker:
        limits = {"timeout": 3, "grace": 0}
        handle = client_of(broker_url).send_task(TASK, [f"echo so far; {sleep}", "bash"], limits)
        await_output(broker_url, handle.id)
        wait_until(_runs(sleep), ANSWER_S, "the job runs")
        os.kill(_pool_process(worker, handle.id), signal.SIGSTOP)
        result = handle.get(timeout=ANSWER_S)
        assert (result["status"], result["stdout"]) == ("timed_out", "so far\n")
        wait_until(lambda: not runs(sleep), 5, "its cell is dead")


def _pool_process(worker: Worker, task_id: str) -> int:
    """The process id of the pool process that holds the lease of a task."""
    with redis.Redis.from_url(worker.broker_url, decode_responses=True) as database:
        holder = wait_until(lambda: database.hget(f"cellblock.lease:{task_id}", "holder"), 10, "a lease")
    return int(str(holder).split("|")[1])


def test_a_worker_that_gossips_works_too(tmp_path: Path, broker_url: str, client_of: ClientOf) -> None:
    with running_worker(tmp_path, broker_url, program="cli worker --concurrency=1"):
        assert client_of(broker_url).send_task(TASK, ["echo hi"]).get(timeout=ANSWER_S)["stdout"] == "hi\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_worker_that_stops_gives_back_what_takes_too_long(
    tmp_path: Path, broker_url: str, client_of: ClientOf, number: signal.Signals
) -> None:
    sleep = unique_sleep(30)
    handle = client_of(broker_url).send_task(TASK, [f"{sleep}; echo done", "bash"])
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK, CELLBLOCK_DRAIN="1") as stopped:
        wait_until(_runs(sleep), ANSWER_S, "the job runs")
        stopped.process.send_signal(number)
        stopped.process.wait(20)
        assert not runs(sleep)
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK):
        wait_until(_runs(sleep), ANSWER_S, "the job runs again at once")
        cancel = run_cli("cancel", handle.id, CELLBLOCK_BROKER_URL=broker_url)
        result = handle.get(timeout=ANSWER_S)
    assert (cancel.returncode, result["status"], result["attempt"]) == (0, "cancelled", 1)
