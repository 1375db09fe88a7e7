"""Whether `doctor` notices workers of another app that take jobs from cellblock's queues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import run_cli, running_worker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Worker


def finding(broker_url: str) -> dict[str, Any]:
    """The finding of `doctor` in a new process. One process would keep using its first broker."""
    said = run_cli("doctor", "consumers", "--json", CELLBLOCK_BROKER_URL=broker_url).stdout
    (found,) = json.loads(said)
    return dict(found)


@pytest.mark.parametrize(("queue", "level"), [("cellblock", "problem"), ("celery", "ok")])
def test_workers_of_another_app_are_a_problem_on_our_queues_alone(
    tmp_path: Path, broker_url: str, queue: str, level: str
) -> None:
    program = f"celery -A tests.cli.checks.shop worker --pool=solo -Q {queue} --loglevel=INFO"
    with running_worker(tmp_path, broker_url, program=program):
        found = finding(broker_url)
    assert (found["level"], "take from cellblock" in found["message"]) == (level, level == "problem")


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_workers_of_ours_are_none(worker: Worker, scheme: str) -> None:
    assert finding(worker.broker_url.replace("redis", scheme, 1))["level"] == "ok"
