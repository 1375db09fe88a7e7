"""A real worker: what it logs, what it must not log, and what it does after failures."""

from __future__ import annotations

import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from sandbox import CommandFailed, ImageMissing
from tests.conftest import BROKER_PASSWORD, remove_cells
from tests.engine_stand_in import standing_in
from tests.programs import running_worker, runs, unique_sleep
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

    ClientOf = Callable[[str], Celery]


def test_a_worker_says_at_start_how_commands_are_kept_apart(worker: Worker) -> None:
    assert "Docker isolation: ENABLED (Secure)" in worker.log()
    assert "Execution context: Docker container (isolated, read-only FS, no networking)" in worker.log()


def test_a_worker_says_at_start_what_its_redis_would_lose(worker: Worker) -> None:
    assert "Redis keeps nothing on disk: its restart loses every queued job and result" in worker.log()


def test_a_prefork_worker_warns_of_nothing_else(worker: Worker) -> None:
    before = worker.log().partition(" ready.")[0]
    assert before.count("WARNING") == before.count("Redis keeps nothing on disk") == 1


def test_logs_hold_no_command_no_input_and_no_output(worker: Worker, send: Send) -> None:
    token = secrets.token_hex(8)
    given: dict[str, Any] = {"stdin": token, "env": {"S": token}, "files": {"f": token}}
    whole = send(f"echo {token}; echo {token} >&2; cat", "bash", **given)
    assert token in whole.get(timeout=ANSWER_S)["stdout"]
    with pytest.raises(CommandFailed):
        send(f"echo {token}; exit 1", "bash", check=True, **given).get(timeout=ANSWER_S)
    wait_until(lambda: whole.id in worker.log(), 5, "the log tells of the job")
    assert token not in worker.log()


def test_logs_hold_no_password_of_the_broker(worker: Worker) -> None:
    assert BROKER_PASSWORD in worker.broker_url
    assert BROKER_PASSWORD not in worker.log()


def test_a_failed_command_is_no_traceback_in_the_log(worker: Worker, send: Send) -> None:
    with pytest.raises(CommandFailed):
        send("exit 1", check=True).get(timeout=ANSWER_S)
    assert "Traceback" not in worker.log()


def test_an_unavailable_sandbox_is_tried_again_after_a_while_and_then_fails(
    tmp_path: Path, broker_url: str, client_of: ClientOf
) -> None:
    with standing_in(tmp_path / "engine.sock") as empty:
        settings = {
            "CELLBLOCK_DOCKER_HOST": empty.url,
            "CELLBLOCK_MAX_ATTEMPTS": "2",
            "CELLBLOCK_ENGINE_MARGIN": "2",
        }
        with running_worker(tmp_path, broker_url, "--concurrency=1", **settings):
            began = time.monotonic()
            handle = client_of(broker_url).send_task(TASK, ["true"])
            wait_until(lambda: handle.state == "RETRY", 20, "the job waits for another attempt")
            with pytest.raises(ImageMissing, match=r"no image for bash: .* Try: "):
                handle.get(timeout=ANSWER_S)
    assert time.monotonic() - began >= 1
    assert handle.state == "FAILURE"


def test_the_legacy_mode_warns_at_start_and_marks_its_results(
    tmp_path: Path, broker_url: str, client_of: ClientOf
) -> None:
    with running_worker(tmp_path, broker_url, "--concurrency=1", ENABLE_DOCKER="false") as worker:
        result = client_of(broker_url).send_task(TASK, ["echo $HOME; pwd"]).get(timeout=ANSWER_S)
    assert "WARNING" in worker.log()
    assert "ENABLE_DOCKER=false" in worker.log()
    assert (result["engine"], result["container"], result["status"]) == ("host", None, "succeeded")


@pytest.mark.parametrize("program", ["cli worker", "celery -A tasks worker --loglevel=INFO"])
def test_the_old_name_of_a_setting_is_told_once_in_the_log(
    tmp_path: Path, broker_url: str, program: str
) -> None:
    settings = {"ENABLE_DOCKER": "false", "CELLBLOCK_MARGIN": "15"}
    with running_worker(tmp_path, broker_url, "--concurrency=1", program=program, **settings) as worker:
        told = worker.log()
    assert told.count("CELLBLOCK_MARGIN is the old name of CELLBLOCK_ENGINE_MARGIN") == 1


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_lets_running_jobs_finish(
    tmp_path: Path, broker_url: str, engine: docker.APIClient, client_of: ClientOf, told: signal.Signals
) -> None:
    unique = f"1.{secrets.randbelow(10**9):09}"
    with running_worker(tmp_path, broker_url, "--concurrency=1") as worker:
        handle = client_of(broker_url).send_task(TASK, [f"sleep {unique}; echo finished"])
        wait_until(lambda: runs(f"sleep {unique}"), 20, "the job runs")
        worker.process.send_signal(told)
        worker.process.wait(30)
    assert handle.get(timeout=5)["stdout"] == "finished\n"


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGQUIT])
def test_what_still_runs_after_the_drain_goes_back_to_its_queue(
    tmp_path: Path, broker_url: str, engine: docker.APIClient, client_of: ClientOf, told: signal.Signals
) -> None:
    unique = unique_sleep(9)
    client = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=1", CELLBLOCK_DRAIN="1") as worker:
        handle = client.send_task(TASK, [f"{unique}; echo finished"])
        wait_until(lambda: runs(unique), 20, "the job runs")
        worker.process.send_signal(told)
        worker.process.wait(30)
        assert handle.state == "PENDING"
    with running_worker(tmp_path, broker_url, "--concurrency=1"):
        assert handle.get(timeout=ANSWER_S)["attempt"] == 1


def test_a_job_whose_process_is_killed_runs_again(
    tmp_path: Path, broker_url: str, engine: docker.APIClient, client_of: ClientOf
) -> None:
    unique = f"3.{secrets.randbelow(10**9):09}"
    with running_worker(tmp_path, broker_url, "--concurrency=1") as worker:
        handle = client_of(broker_url).send_task(TASK, [f"sleep {unique}; echo finished"])
        wait_until(lambda: runs(f"sleep {unique}"), 20, "the job runs")
        os.kill(worker.pool[0].pid, signal.SIGKILL)
        assert handle.get(timeout=ANSWER_S)["stdout"] == "finished\n"
    remove_cells(engine)


def test_a_hundred_jobs_give_a_hundred_results_and_memory_stays_flat(
    tmp_path: Path, broker_url: str, engine: docker.APIClient, client_of: ClientOf
) -> None:
    client = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=4") as worker:
        first = answers([client.send_task(TASK, [f"echo {number}"]) for number in range(20)])
        after_20 = resident_bytes(worker)
        rest = answers([client.send_task(TASK, [f"echo {number}"]) for number in range(20, 100)])
        grown = resident_bytes(worker) - after_20
    assert first + rest == [f"{number}\n" for number in range(100)]
    assert grown < 10 << 20


def answers(handles: list[AsyncResult[Any]]) -> list[str]:
    return [handle.get(timeout=90)["stdout"] for handle in handles]


def resident_bytes(worker: Worker) -> int:
    family = [psutil.Process(worker.process.pid), *worker.pool]
    return sum(process.memory_info().rss for process in family)
