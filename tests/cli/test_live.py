"""`cellblock logs`, `submit --follow` and `ps` with a real worker."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT, run_cli
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess
    from typing import Protocol

    from celery import Celery

    from tests.programs import Worker

    Start = Callable[..., subprocess.Popen[bytes]]

    class Cli(Protocol):
        """The `cellblock` command."""

        def __call__(self, *arguments: str) -> CompletedProcess[str]:
            """Runs the command to its end."""


@pytest.fixture
def cellblock(worker: Worker) -> Cli:
    return partial(run_cli, CELLBLOCK_BROKER_URL=worker.broker_url)


@pytest.fixture
def start(worker: Worker) -> Start:
    """Gives a function that starts the command, so that a test can read its output while it runs."""
    env = os.environ | {"CELLBLOCK_BROKER_URL": worker.broker_url}

    def popen(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return popen


def send(client: Celery, cmd: str) -> str:
    sent = client.send_task("cellblock.run_sandboxed", [cmd, "bash"], headers={"cellblock_live": True})
    return str(sent.id)


def test_submit_follow_shows_both_streams_and_leaves_with_the_commands_own_code(cellblock: Cli) -> None:
    outcome = cellblock("submit", "--follow", "--", "echo out; echo err >&2; exit 3")
    job, *rest = outcome.stderr.splitlines()
    assert job.startswith("cellblock: job ")
    assert (outcome.returncode, outcome.stdout, rest) == (3, "out\n", ["err"])


def test_submit_follow_says_what_became_of_a_job_that_was_killed(cellblock: Cli) -> None:
    outcome = cellblock(
        "submit", "--follow", "--timeout", "0.5", "--grace", "0", "--", "echo so far; sleep 30"
    )
    assert (outcome.returncode, outcome.stdout) == (124, "so far\n")
    assert outcome.stderr.endswith("cellblock: timed out\n")


def test_submit_follow_as_json_is_a_line_for_each_entry_and_one_for_the_result(cellblock: Cli) -> None:
    outcome = cellblock("submit", "--follow", "--json", "--", "echo out")
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [(line["kind"], line.get("text")) for line in lines] == [
        ("start", "1"),
        ("stdout", "out\n"),
        ("end", "succeeded"),
        ("result", None),
    ]
    assert lines[-1]["result"]["exit_code"] == 0


def test_ctrl_c_leaves_submit_follow_with_130_and_the_job_alone(start: Start, cellblock: Cli) -> None:
    following = start("submit", "--follow", "--", "echo ready; sleep 2; echo done")
    assert following.stdout
    assert following.stdout.readline() == b"ready\n"
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=10)
    assert following.returncode == 130
    assert b"the job goes on. Try: cellblock logs -f" in said
    task_id = said.split()[2].decode()
    assert cellblock("logs", "-f", task_id).stdout == "ready\ndone\n"


@pytest.mark.alone
def test_logs_f_shows_a_line_within_a_tenth_of_a_second(start: Start, byname: Celery) -> None:
    task_id = send(byname, "for n in $(seq 40); do date +%s.%N; sleep 0.1; done")
    following = start("logs", "--follow", task_id)
    assert following.stdout
    seen = [(float(line), time.time()) for line in following.stdout]
    following.communicate(timeout=10)
    # Lines from before the follower's start come at once when it starts. They do not count.
    late = [read - written for written, read in seen if written > seen[0][1]]
    assert statistics.median(late) < 0.1
    assert (len(seen), following.returncode) == (40, 0)


def test_logs_shows_the_times_of_lines(cellblock: Cli, byname: Celery) -> None:
    task_id = send(byname, "printf 'one\\ntwo'; sleep 0.2; echo ' more'")
    shown = cellblock("logs", "-f", "-t", task_id).stdout
    day = time.strftime("%Y-%m-%dT", time.gmtime())
    assert [line.partition("Z ")[2] for line in shown.splitlines()] == ["one", "two more"]
    assert shown.startswith(day)


def test_logs_goes_on_behind_an_entry(cellblock: Cli, byname: Celery) -> None:
    task_id = send(byname, "echo one; sleep 0.2; echo two")
    lines = [json.loads(line) for line in cellblock("logs", "-f", "--json", task_id).stdout.splitlines()]
    one = next(line["id"] for line in lines if line["text"] == "one\n")
    assert cellblock("logs", "--after", one, task_id).stdout == "two\n"
    assert cellblock("logs", "--after", lines[-1]["id"], task_id).stdout == ""


def test_logs_of_a_job_without_live_output_are_those_of_its_result(cellblock: Cli) -> None:
    task_id = cellblock("submit", "--", "echo out; echo err >&2").stdout.strip()
    cellblock("result", "--wait", task_id)
    outcome = cellblock("logs", task_id)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "out\n", "err\n")


def test_logs_of_nothing_says_what_to_try(cellblock: Cli) -> None:
    outcome = cellblock("logs", "no-such-id")
    assert (outcome.returncode, outcome.stdout) == (125, "")
    assert [line.partition("no-such-id")[0] for line in outcome.stderr.splitlines()] == [
        "cellblock: nothing is held of ",
        "cellblock: Try: cellblock ps, or cellblock result --wait ",
    ]


def test_results_that_would_not_go_to_redis_are_a_wrong_setting(worker: Worker) -> None:
    settings = {"CELLBLOCK_BROKER_URL": worker.broker_url, "CELLBLOCK_RESULT_BACKEND": "cache+memory://"}
    outcome = run_cli("logs", "-f", "any", **settings)
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("cellblock: CELLBLOCK_RESULT_BACKEND=(secret): cache+memory:// cannot")


def test_ps_shows_what_runs_and_what_waits_and_nothing_of_what_it_is(
    cellblock: Cli, byname: Celery, worker: Worker
) -> None:
    ids = [send(byname, "sleep 60; echo a-secret") for _ in range(4)]
    handles = [byname.AsyncResult(task_id) for task_id in ids]

    def rows() -> dict[str, dict[str, object]]:
        shown = cellblock("ps", "--json").stdout
        assert "a-secret" not in shown
        rows = {row["id"]: row for row in json.loads(shown)}
        return rows if [row["state"] for row in rows.values()].count("running") == 2 else {}

    shown = wait_until(rows, 10, "two jobs run")
    assert set(ids) == set(shown)
    assert {shown[task_id]["state"] for task_id in ids[2:]} <= {"reserved", "queued"}
    assert {row["runtime"] for row in shown.values()} == {"bash"}
    for handle in reversed(handles):
        handle.revoke(terminate=True)
    for handle in handles:
        handle.get(timeout=30, propagate=False)


def test_ps_without_a_job_is_a_heading(cellblock: Cli) -> None:
    outcome = cellblock("ps")
    assert (outcome.returncode, outcome.stdout.split()) == (
        0,
        ["id", "state", "runtime", "since", "worker", "attempt"],
    )
