"""Which of Celery's pools a worker takes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from celery.concurrency import solo

from config import InvalidSetting
from tasks.pool.choice import check_pool
from tests.programs import ROOT, run_cli, running_worker

if TYPE_CHECKING:
    from pathlib import Path

    import docker


@pytest.mark.parametrize("option", ["--pool=solo", "--pool=gevent", "--pool=eventlet", "-Psolo", "--pool=x"])
def test_a_pool_that_loses_jobs_is_refused_by_its_name(option: str) -> None:
    outcome = run_cli("worker", option)
    said = outcome.stderr.splitlines()
    assert (outcome.returncode, len(said)) == (2, 1)
    name = option.removeprefix("--pool=").removeprefix("-P")
    assert said[0].startswith(f"cellblock: The pool {name!r} cannot")
    assert "Try: --pool=prefork" in said[0]


def test_celerys_own_command_refuses_it_too() -> None:
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=solo"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1].startswith("cellblock: The pool 'solo' cannot keep")


def test_a_pool_that_is_given_as_a_class_is_judged_as_well() -> None:
    with pytest.raises(InvalidSetting, match="The pool 'solo'"):
        check_pool(solo.TaskPool, autoscale=False)


def test_threads_cannot_grow_and_shrink() -> None:
    outcome = run_cli("worker", "--pool=threads", "--autoscale=3,1")
    assert (outcome.returncode, "cannot grow and shrink" in outcome.stderr) == (2, True)


def test_threads_start_with_a_warning_of_what_is_lost(
    tmp_path: Path, broker_url: str, engine: docker.APIClient
) -> None:
    with running_worker(tmp_path, broker_url, "--pool=threads", "--concurrency=1") as worker:
        assert "keeps no soft and hard time limits: a job that hangs has its thread until" in worker.log()
