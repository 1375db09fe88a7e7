"""Each rung of the ladder of limits by itself, while all earlier rungs fail."""

from __future__ import annotations

import os
import secrets
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from docker.errors import APIError

from config import ladder
from tests.chaos.cells import containers_of
from tests.conftest import OWNER
from tests.programs import await_output, runs
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker

    from tests.chaos.conftest import Hire, Send
    from tests.chaos.proxy import StallingProxy

# Seconds between two rungs: long enough for a busy machine, short enough for a test.
MARGIN_S = 2
MARGIN = {"CELLBLOCK_ENGINE_MARGIN": str(MARGIN_S)}
TIMEOUT_S, GRACE_S = 2.0, 0.5
RUNGS = ladder(TIMEOUT_S, GRACE_S, MARGIN_S)
LIMITS = {"timeout": TIMEOUT_S, "grace": GRACE_S}
LATE_S = 10.0


@pytest.fixture
def seconds() -> str:
    """Gives the time that a job sleeps: longer than the test, and with a unique text."""
    return f"300.{secrets.randbelow(10**9):09}"


def started(engine: docker.APIClient, seconds: str) -> str:
    """The name of the only cell, once its command sleeps."""
    wait_until(lambda: runs(f"sleep {seconds}"), 20, "the job runs")
    return containers_of(engine, OWNER)[0]


def is_frozen(engine: docker.APIClient, cell: str) -> bool:
    """Freeze it. With cgroup version 1 runc gives up within milliseconds; a busy host may need longer."""
    with suppress(APIError):
        engine.pause(cell)
    return bool(engine.inspect_container(cell)["State"]["Paused"])


def test_the_engine_ends_a_job_whose_supervisor_ignores_its_deadline(
    hire: Hire, send: Send, engine: docker.APIClient, root: None, seconds: str
) -> None:
    hire("one", **MARGIN)
    handle = send(f"echo before; sleep {seconds}", **LIMITS)
    supervisor = engine.inspect_container(started(engine, seconds))["State"]["Pid"]
    assert supervisor, "it is not over: number 0 would strike at these tests"
    os.kill(supervisor, signal.SIGSTOP)
    result = handle.get(timeout=RUNGS.soft_s)
    assert (result["status"], result["stdout"]) == ("timed_out", "before\n")


def test_the_engine_ends_a_cell_that_is_frozen_whole(
    hire: Hire, send: Send, engine: docker.APIClient, seconds: str
) -> None:
    hire("one", **MARGIN)
    handle = send(f"echo before; sleep {seconds}", **LIMITS)
    cell = started(engine, seconds)
    wait_until(lambda: is_frozen(engine, cell), 5, "it is frozen")
    result = handle.get(timeout=RUNGS.soft_s)
    assert (result["status"], result["stdout"]) == ("timed_out", "before\n")


def test_a_job_times_out_while_the_engine_hangs_and_its_cell_is_removed_once_it_answers(
    hire: Hire, send: Send, link: StallingProxy, engine: docker.APIClient, seconds: str, broker_url: str
) -> None:
    hire("one", **MARGIN, CELLBLOCK_DOCKER_HOST=link.url, CELLBLOCK_LIVE="on")
    handle = send(f"echo before; sleep {seconds}", **LIMITS)
    await_output(broker_url, handle.id)
    cell = started(engine, seconds)
    link.stall()
    result = handle.get(timeout=RUNGS.hard_s + LATE_S)
    link.heal()
    wait_until(lambda: cell not in containers_of(engine, OWNER), RUNGS.reap_s + LATE_S, "the cell is gone")
    assert (result["status"], result["stdout"]) == ("timed_out", "before\n")


def test_the_hard_limit_ends_a_job_whose_process_is_frozen_and_the_worker_goes_on(
    hire: Hire, send: Send, engine: docker.APIClient, seconds: str
) -> None:
    worker = hire("one", **MARGIN)
    handle = send(f"sleep {seconds}", **LIMITS)
    cell = started(engine, seconds)
    worker.pool()[0].send_signal(signal.SIGSTOP)
    assert handle.get(timeout=RUNGS.hard_s + LATE_S)["status"] == "timed_out"
    assert send("echo next").get(timeout=LATE_S)["stdout"] == "next\n"
    wait_until(lambda: cell not in containers_of(engine, OWNER), LATE_S, "the cell is gone")


def test_a_killed_workers_job_dies_with_it(
    hire: Hire, send: Send, engine: docker.APIClient, unfinished: None, seconds: str
) -> None:
    worker = hire("one")
    send(f"sleep {seconds}", timeout=300)
    started(engine, seconds)
    worker.kill()
    wait_until(lambda: not runs(f"sleep {seconds}"), 5, "the job is dead")


def test_any_reaper_removes_the_cell_of_a_killed_worker(
    hire: Hire, send: Send, link: StallingProxy, engine: docker.APIClient, unfinished: None, seconds: str
) -> None:
    """The proxy keeps the connection open, so the supervisor does not notice that the worker is dead."""
    worker = hire("one", **MARGIN, CELLBLOCK_DOCKER_HOST=link.url)
    send(f"sleep {seconds}", **LIMITS)
    cell = started(engine, seconds)
    link.stall()
    worker.kill()
    hire("two", **MARGIN)
    wait_until(lambda: cell not in containers_of(engine, OWNER), RUNGS.reap_s + LATE_S, "it is removed")


def test_a_killed_workers_job_runs_again_elsewhere_within_half_a_minute(
    hire: Hire, send: Send, engine: docker.APIClient, seconds: str
) -> None:
    first = hire("one")
    handle = send(f"echo $(( 6 * 7 )); sleep 1 || sleep {seconds}", timeout=60)
    wait_until(lambda: containers_of(engine, OWNER), 20, "the job has a cell")
    first.kill()
    died = time.monotonic()
    hire("two")
    result = handle.get(timeout=40)
    assert (result["stdout"], result["worker"], result["attempt"]) == ("42\n", "two@chaos", 2)
    assert time.monotonic() - died < 30
