"""A cancelled job ends at once or never starts, and its result says that it was cancelled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.programs import run_cli, running_worker, runs, unique_sleep
from tests.tasks.conftest import ANSWER_S, TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import docker
    from celery import Celery
    from celery.result import AsyncResult

    from tests.programs import Worker
    from tests.tasks.conftest import Send


def _sleep() -> str:
    return unique_sleep(60)


def _by_command(worker: Worker, handle: AsyncResult[Any]) -> None:
    assert run_cli("cancel", handle.id, CELLBLOCK_BROKER_URL=worker.broker_url).returncode == 0


def _by_revoke(worker: Worker, handle: AsyncResult[Any]) -> None:
    handle.revoke(terminate=True)


@pytest.mark.parametrize("cancel", [_by_command, _by_revoke], ids=["cellblock cancel", "revoke"])
def test_a_running_job_that_is_cancelled_is_dead_within_two_seconds_with_its_output(
    worker: Worker, send: Send, cancel: Callable[[Worker, AsyncResult[Any]], None]
) -> None:
    sleep = _sleep()
    handle = send(f"echo so far; {sleep}", "bash")
    wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
    cancel(worker, handle)
    wait_until(lambda: not runs(sleep), 2, "the job is dead")
    result = handle.get(timeout=5)
    assert (result["status"], result["stdout"]) == ("cancelled", "so far\n")


def test_a_queued_job_that_is_cancelled_never_starts(
    tmp_path: Path, broker_url: str, engine: docker.APIClient, client_of: Callable[[str], Celery]
) -> None:
    handle = client_of(broker_url).send_task(TASK, ["echo started", "bash"])
    assert run_cli("cancel", handle.id, CELLBLOCK_BROKER_URL=broker_url).returncode == 0
    with running_worker(tmp_path, broker_url, "--concurrency=1"):
        result = handle.get(timeout=ANSWER_S)
    assert (result["status"], result["stdout"], result["container"]) == ("cancelled", "", None)


def test_a_revoke_of_a_queued_job_survives_the_restart_of_the_worker_that_heard_it(
    tmp_path: Path, broker_url: str, engine: docker.APIClient, client_of: Callable[[str], Celery]
) -> None:
    app = client_of(broker_url)
    handle = app.send_task(TASK, ["echo started", "bash"], queue="later")
    with running_worker(tmp_path, broker_url, "--concurrency=1"):
        wait_until(lambda: app.control.ping(timeout=0.5), 20, "the worker listens")
        handle.revoke()
        wait_until(lambda: str(handle.state) == "REVOKED", 10, "the worker has heard it")
    with running_worker(tmp_path, broker_url, "--concurrency=1", CELLBLOCK_QUEUES="later") as worker:
        wait_until(lambda: handle.id in worker.log(), ANSWER_S, "the job is delivered")
        wait_until(lambda: not _unacked(broker_url), ANSWER_S, "and done with")
    with pytest.raises(TaskRevokedError):
        handle.get(timeout=1)


def test_a_job_that_has_its_result_keeps_it(worker: Worker, send: Send) -> None:
    handle = send("echo done", "bash")
    assert handle.get(timeout=ANSWER_S)["stdout"] == "done\n"
    _by_command(worker, handle)
    _by_revoke(worker, handle)
    started = time.monotonic()
    assert send("echo next", "bash").get(timeout=ANSWER_S)["stdout"] == "next\n"
    assert (handle.state, time.monotonic() - started < ANSWER_S) == ("SUCCESS", True)


def _unacked(url: str) -> int:
    import redis

    with redis.Redis.from_url(url) as database:
        return int(database.hlen("unacked"))
