"""A real worker on the engine oci: warm cells by descriptor, live output, cancelling, and the hard limit."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from config import ladder, load_settings
from tasks.headers import LIVE
from tasks.live import follow
from tests.engines import cells_of, environment
from tests.programs import run_cli, running_worker, runs, unique_sleep
from tests.tasks.conftest import ANSWER_S, TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery
    from celery.result import AsyncResult

    from config import Settings
    from sandbox import Sandbox
    from tests.programs import Worker

    Send = Callable[..., AsyncResult[Any]]

pytestmark = pytest.mark.engine

MARGIN_S = 2
TIMEOUT_S, GRACE_S = 2.0, 0.5
RUNGS = ladder(TIMEOUT_S, GRACE_S, MARGIN_S)


@pytest.fixture(scope="module")
def settings(oci_settings: dict[str, Any], crun: Sandbox) -> Settings:
    """Gives the settings of the worker."""
    del crun
    return load_settings(**oci_settings, oci_runtime="crun", warm="0,bash=1", engine_margin=MARGIN_S)


@pytest.fixture(scope="module")
def worker(settings: Settings, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Gives a worker on crun, with a keeper that keeps one warm cell of bash."""
    own = environment(settings) | {"CELLBLOCK_WARM": settings.warm, "CELLBLOCK_ENGINE_MARGIN": str(MARGIN_S)}
    with running_worker(tmp_path_factory.mktemp("oci"), f"{redis_url}/62", "--concurrency=2", **own) as real:
        yield real
    wait_until(lambda: not cells_of(settings), 20, "the worker's cells are gone")


@pytest.fixture
def send(worker: Worker, client_of: Callable[[str], Celery]) -> Send:
    """Gives a function that sends a job to the worker by the task's name."""
    app = client_of(worker.broker_url)
    return lambda cmd, headers=None, **request: app.send_task(TASK, [cmd, "bash"], request, headers=headers)


def test_a_keeper_hands_its_cells_to_the_processes_that_run_jobs(
    send: Send,
) -> None:
    def result() -> dict[str, Any]:
        answer: dict[str, Any] = send("echo hi").get(timeout=ANSWER_S)
        return answer

    found = wait_until(lambda: (found := result())["warm"] and found, 20, "a job gets a warm cell")
    assert (found["stdout"], found["engine"]) == ("hi\n", "oci")


def test_output_is_followed_while_the_job_runs(
    send: Send,
    worker: Worker,
    client_of: Callable[[str], Celery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.live.place.app", client_of(worker.broker_url))
    sleep = unique_sleep(60)
    handle = send(f"echo out; echo err >&2; {sleep}", headers={LIVE: True})
    heard = {entry.kind: entry.data for entry in itertools.islice(follow(handle.id), 3)}
    assert (heard["stdout"], heard["stderr"], runs(sleep)) == (b"out\n", b"err\n", True)
    handle.revoke(terminate=True)
    assert handle.get(timeout=ANSWER_S)["status"] == "cancelled"


def test_a_job_that_is_cancelled_is_dead_within_two_seconds_with_its_output(
    send: Send, worker: Worker
) -> None:
    sleep = unique_sleep(60)
    handle = send(f"echo so far; {sleep}")
    wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
    assert run_cli("cancel", handle.id, CELLBLOCK_BROKER_URL=worker.broker_url).returncode == 0
    wait_until(lambda: not runs(sleep), 2, "the job is dead")
    assert handle.get(timeout=5)["stdout"] == "so far\n"


def test_the_hard_limit_ends_a_job_whose_process_is_frozen_and_removes_its_cell(
    send: Send, worker: Worker, settings: Settings
) -> None:
    sleep = unique_sleep(300)
    handle = send(sleep, timeout=TIMEOUT_S, grace=GRACE_S)
    wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
    frozen = worker.pool
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    result = handle.get(timeout=RUNGS.hard_s + 10)
    assert result["status"] == "timed_out"
    wait_until(lambda: result["container"] not in cells_of(settings), 20, "its cell is gone")
    # The hard limit has killed the one that ran the job.
    for process in filter(psutil.Process.is_running, frozen):
        process.send_signal(signal.SIGCONT)
    assert send("echo next").get(timeout=ANSWER_S)["stdout"] == "next\n"
