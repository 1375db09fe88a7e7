"""Jobs with several runs, through a real worker: what is told live, and what outlives a cancel or a kill."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks.headers import LIVE
from tasks.live import follow
from tests.programs import running_worker, runs, unique_sleep
from tests.tasks.conftest import ANSWER_S, TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from celery import Celery
    from celery.result import AsyncResult

    from tests.programs import Worker
    from tests.tasks.conftest import Send

#: The first run prints a number that no other attempt prints. The others wait.
PROGRAM = 'if [ "$1" ]; then exec sleep "$1"; else cat /proc/sys/kernel/random/uuid; fi'
BRISK = {"CELLBLOCK_SILENCE": "3"}


def waiting(sleep: str) -> dict[str, Any]:
    """A job whose second run goes on for long."""
    return {"runs": [{}, {"args": [sleep.split()[1]]}, {}], "cpus": 1}


def noted(worker: Worker, handle: AsyncResult[Any]) -> dict[str, str]:
    with redis.Redis.from_url(worker.broker_url, decode_responses=True) as database:
        found: Any = database.hgetall(f"cellblock.runs:{handle.id}")
        return dict(found)


def test_each_run_has_its_result_and_the_notes_are_gone(worker: Worker, send: Send) -> None:
    handle = send("cat", "bash", runs=[{"stdin": "a", "expected": "a"}, {"stdin": "b", "expected": "a"}])
    result = handle.get(timeout=ANSWER_S)

    assert [one["verdict"] for one in result["runs"]] == ["accepted", "wrong_answer"]
    assert (result["status"], result["verdict"]) == ("succeeded", "wrong_answer")
    # They are removed once the result is stored.
    wait_until(lambda: not noted(worker, handle), 10, "the notes are gone")


def test_live_output_says_which_run_wrote_it(
    worker: Worker, byname: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.live.place.app", byname)
    kwargs = {"runs": [{"stdin": "a"}, {"stdin": "b"}], "cpus": 1}
    handle = byname.send_task(TASK, ["cat", "bash"], kwargs, headers={LIVE: True})

    assert [(one.data, one.run) for one in follow(handle.id)] == [
        (b"1", None),
        (b"a", 0),
        (b"b", 1),
        (b"succeeded", None),
    ]


def test_a_cancelled_job_keeps_the_runs_that_had_ended(worker: Worker, send: Send) -> None:
    sleep = unique_sleep(60)
    handle = send(PROGRAM, "bash", **waiting(sleep))
    wait_until(lambda: runs(sleep), ANSWER_S, "the second run goes on")
    handle.revoke(terminate=True)
    result = handle.get(timeout=ANSWER_S)

    assert [one["status"] for one in result["runs"]] == ["succeeded", "cancelled", "cancelled"]
    assert len(result["runs"][0]["stdout"]) == 37


def test_runs_that_had_ended_are_not_run_again_after_the_process_was_killed(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    sleep = unique_sleep(8)
    with running_worker(tmp_path, broker_url, "--concurrency=1", **BRISK) as worker:
        handle = client_of(broker_url).send_task(TASK, [PROGRAM, "bash"], waiting(sleep))
        wait_until(lambda: runs(sleep), ANSWER_S, "the second run goes on")
        first = noted(worker, handle)["0"]
        os.kill(worker.pool[0].pid, signal.SIGKILL)
        result = handle.get(timeout=ANSWER_S)

    assert result["attempt"] == 2
    assert result["runs"][0]["stdout"].strip() in first
    assert [one["status"] for one in result["runs"]] == ["succeeded"] * 3


def test_a_job_whose_process_is_frozen_has_the_runs_that_had_ended(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    sleep = unique_sleep(30)
    short = {"CELLBLOCK_ENGINE_MARGIN": "1"}
    limits = {"timeout": 1, "grace": 0}
    with running_worker(tmp_path, broker_url, "--concurrency=1", **short) as worker:
        handle = client_of(broker_url).send_task(TASK, [PROGRAM, "bash"], waiting(sleep) | limits)
        wait_until(lambda: runs(sleep), ANSWER_S, "the second run goes on")
        os.kill(worker.pool[0].pid, signal.SIGSTOP)
        result = handle.get(timeout=ANSWER_S)

    assert result["status"] == "timed_out"
    assert [(one["name"], one["status"]) for one in result["runs"]] == [("1", "succeeded")]
