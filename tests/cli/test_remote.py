"""`cellblock submit` and `result`, through a real worker."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.programs import run_cli

if TYPE_CHECKING:
    from subprocess import CompletedProcess
    from typing import Protocol

    from tests.programs import Worker

    class Cli(Protocol):
        """The `cellblock` command."""

        def __call__(self, *arguments: str) -> CompletedProcess[str]:
            """What became of it."""


@pytest.fixture
def cellblock(worker: Worker) -> Cli:
    return partial(run_cli, CELLBLOCK_BROKER_URL=worker.broker_url)


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
