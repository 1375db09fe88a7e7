"""`cellblock submit` and `result` with a real worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import redis

from tests.programs import ROOT, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess
    from typing import Protocol

    from tests.programs import Worker

    class Cli(Protocol):
        """The `cellblock` command."""

        def __call__(self, *arguments: str) -> CompletedProcess[str]:
            """Runs the command to its end."""


@pytest.fixture
def cellblock(worker: Worker) -> Cli:
    return partial(run_cli, CELLBLOCK_BROKER_URL=worker.broker_url)


@pytest.fixture
def unserved(redis_url: str) -> Iterator[None]:
    """Removes the jobs that a test leaves in queues without a worker."""
    yield
    with redis.Redis.from_url(redis_url) as server:
        used = [int(name.removeprefix("db")) for name in server.info("keyspace")]
    for number in used:
        with redis.Redis.from_url(f"{redis_url}/{number}") as database:
            database.delete("cellblock", "heavy")


def test_submit_prints_an_id_and_result_what_came_of_it(cellblock: Cli) -> None:
    task_id = cellblock("submit", "--", "echo out; echo err >&2; exit 3").stdout.strip()
    outcome = cellblock("result", "--wait", task_id)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")


def test_submit_may_wait_for_the_result(cellblock: Cli) -> None:
    outcome = cellblock("submit", "--wait", "--json", "--", "echo out")
    assert (outcome.returncode, json.loads(outcome.stdout)["stdout"]) == (0, "out\n")


def test_a_timeout_is_124_from_afar_too(cellblock: Cli) -> None:
    outcome = cellblock("submit", "--wait", "--timeout", "0.3", "--grace", "0", "--", "sleep 30")
    assert (outcome.returncode, outcome.stderr) == (124, "cellblock: timed out\n")


def test_a_bad_request_is_refused_before_it_is_sent(cellblock: Cli) -> None:
    outcome = cellblock("submit", "--runtime", "cobol", "--", "true")
    assert (outcome.returncode, outcome.stdout) == (2, "")


def test_a_result_that_is_not_there_yet_is_said_with_what_to_try(cellblock: Cli) -> None:
    outcome = cellblock("result", "no-such-id")
    assert (outcome.returncode, outcome.stdout) == (125, "")
    assert "no result yet for no-such-id. Try: cellblock result --wait no-such-id" in outcome.stderr


def test_a_job_that_nobody_takes_is_said_with_its_id_and_ctrl_c_says_how_to_go_on(
    broker_url: str, unserved: None
) -> None:
    command = [sys.executable, "-m", "cli", "submit", "--wait", "--", "true"]
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url}
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr
        first = waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        rest = waiting.stderr.read()
    task_id = first.split()[2]
    assert "is waiting for a worker: none is alive. Try: cellblock worker" in first
    assert f"the job goes on. Try: cellblock result --wait {task_id}, or cellblock cancel {task_id}" in rest
    assert rest.count("\n") == 1
    assert waiting.returncode == 130


def test_a_queue_that_nobody_serves_is_named(worker: Worker, unserved: None) -> None:
    settings = {"CELLBLOCK_BROKER_URL": worker.broker_url, "CELLBLOCK_ROUTES": "bash=heavy"}
    command = [sys.executable, "-m", "cli", "submit", "--follow", "--", "true"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | settings, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stderr
        said = [waiting.stderr.readline(), waiting.stderr.readline()]
        waiting.send_signal(signal.SIGINT)
        waiting.stderr.read()
    assert "none takes from 'heavy', but from " in said[1]


def test_cancelling_what_nobody_knows_is_exit_125(cellblock: Cli) -> None:
    outcome = cellblock("cancel", "nope")
    assert (outcome.returncode, outcome.stderr.count("\n")) == (125, 1)
    assert "nothing is known of nope" in outcome.stderr


def test_cancelling_a_job_that_waits_for_a_worker_says_that_there_is_none(
    broker_url: str, unserved: None
) -> None:
    task_id = run_cli("submit", "--", "true", CELLBLOCK_BROKER_URL=broker_url).stdout.strip()
    outcome = run_cli("cancel", task_id, CELLBLOCK_BROKER_URL=broker_url)
    assert (outcome.returncode, "no worker is alive" in outcome.stderr) == (0, True)


def test_of_several_jobs_those_that_are_known_are_told_and_one_that_is_not_is_exit_125(
    broker_url: str, unserved: None
) -> None:
    task_id = run_cli("submit", "--", "true", CELLBLOCK_BROKER_URL=broker_url).stdout.strip()
    outcome = run_cli("cancel", "--json", "nope", task_id, CELLBLOCK_BROKER_URL=broker_url)
    assert (outcome.returncode, json.loads(outcome.stdout)) == (125, [task_id])
    assert outcome.stderr.splitlines() == [
        "cellblock: nothing is known of nope; if it arrives later, it will not start. See: cellblock ps",
        f"cellblock: {task_id} waits, and no worker is alive: it ends as cancelled once one is",
    ]


def test_cancelling_a_job_that_has_ended_says_so(cellblock: Cli) -> None:
    task_id = cellblock("submit", "--", "true").stdout.strip()
    cellblock("result", "--wait", task_id)
    outcome = cellblock("cancel", task_id)
    assert (outcome.returncode, "has ended already" in outcome.stderr) == (0, True)


def test_submit_may_ask_for_live_output_and_not_wait(cellblock: Cli) -> None:
    task_id = cellblock("submit", "--live", "--", "echo out").stdout.strip()
    assert cellblock("logs", "-f", "--json", task_id).stdout.count('"kind": "start"') == 1


@pytest.mark.parametrize("command", ["result", "logs", "cancel"])
@pytest.mark.parametrize("task_id", ["", " ", "x" * 1025], ids=["empty", "blank", "long"])
def test_what_can_be_no_id_is_a_wrong_call(cellblock: Cli, command: str, task_id: str) -> None:
    outcome = cellblock(command, task_id)
    assert (outcome.returncode, "Traceback" in outcome.stderr) == (2, False)


@pytest.mark.parametrize("options", [["--nope"], ["-P", "nopool"], ["-c", "x"], ["-Q"]], ids=" ".join)
def test_a_wrong_option_of_celerys_worker_is_exit_2_with_one_line(worker: Worker, options: list[str]) -> None:
    outcome = run_cli("worker", *options, CELLBLOCK_BROKER_URL=worker.broker_url)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (2, 1)


def test_bytes_that_are_no_text_are_spoken_of(cellblock: Cli) -> None:
    outcome = cellblock("submit", "--wait", "--", r"printf '\377'")
    assert (outcome.stdout, "holds bytes that are no text" in outcome.stderr) == ("\ufffd", True)
