"""`cellblock ps`: what it shows about each job, and about the jobs that it leaves out."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cli.ps import _since, ps
from tasks.observe import job_list
from tasks.observe.job_list import Entry, Queued
from tests.programs import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery


def entry(**changes: Any) -> Entry:
    known = {
        "state": "running",
        "runtime": "bash",
        "sent": None,
        "started": None,
        "worker": None,
        "attempt": 1,
    }
    return Entry("1", **known | changes)


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ({"sent": 970.0, "started": 990.0}, "10.0 s"),
        ({"sent": 970.04}, "30.0 s"),
        ({"started": 1005.0}, "0.0 s"),
        ({}, None),
        ({"sent": float("nan")}, None),
        ({"sent": float("inf")}, None),
        ({"sent": "noon"}, None),
    ],
)
def test_a_job_is_as_old_as_its_start_or_else_its_sending(
    monkeypatch: pytest.MonkeyPatch, times: dict[str, Any], shown: str | None
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert _since(entry(**times)) == shown


@pytest.fixture
def waiting(broker_url: str, client_of: Callable[[str], Celery]) -> Iterator[list[str]]:
    """Gives the ids of three jobs that no worker takes, the next one first."""
    app = client_of(broker_url)
    yield [str(app.send_task("cellblock.run_sandboxed", ["true", "bash"]).id) for _ in range(3)]
    with redis.Redis.from_url(broker_url) as server:
        server.delete("cellblock")


def test_the_next_jobs_are_shown_and_the_others_counted(broker_url: str, waiting: list[str]) -> None:
    outcome = run_cli("ps", "--limit", "1", CELLBLOCK_BROKER_URL=broker_url)
    heading, *rows = (line.split() for line in outcome.stdout.splitlines())
    assert heading == ["id", "state", "runtime", "since", "worker", "attempt"]
    assert rows == [[waiting[0], "queued", "bash", "-", "-", "1"]]
    assert outcome.stderr == "cellblock: 2 more messages wait. Try: cellblock ps --limit 3\n"


def test_when_all_are_shown_nothing_is_said(broker_url: str, waiting: list[str]) -> None:
    outcome = run_cli("ps", "--limit", "3", CELLBLOCK_BROKER_URL=broker_url)
    assert ([line.split()[0] for line in outcome.stdout.splitlines()[1:]], outcome.stderr) == (waiting, "")


def test_a_job_that_a_worker_has_taken_meanwhile_is_shown_once(
    monkeypatch: pytest.MonkeyPatch, broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker_url)
    monkeypatch.setattr("cli.ps.unserved", lambda _: {})
    monkeypatch.setattr(job_list, "jobs_in_workers", lambda: [entry()])
    monkeypatch.setattr(job_list, "jobs_in_queues", lambda *_: Queued([entry(state="queued")], 0))
    ps(limit=5, as_json=True)
    assert [job["state"] for job in json.loads(capsys.readouterr().out)] == ["running"]


def test_jobs_in_a_queue_from_which_no_worker_takes_are_told(
    broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    for _ in range(2):
        client_of(broker_url).send_task("cellblock.run_sandboxed", ["true", "bash"], queue="elsewhere")
    outcome = run_cli("ps", CELLBLOCK_BROKER_URL=broker_url)
    with redis.Redis.from_url(broker_url) as server:
        server.flushdb()
    says = "2 jobs wait in 'elsewhere', and no worker takes from it. Try: cellblock doctor workers"
    assert outcome.stderr == f"cellblock: {says}\n"
