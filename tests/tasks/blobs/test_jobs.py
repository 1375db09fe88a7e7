"""Refs and workspaces of jobs that go through a broker to a real worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from tasks.headers import TASK, TENANT
from tests.programs import run_cli, running_worker, runs, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import docker

    from tests.programs import Worker

    Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(byname: Celery) -> Run:
    """Gives a function that runs a command by the worker, for a tenant, and returns its result."""

    def call(cmd: str, *, tenant: str | None = None, **request: object) -> dict[str, Any]:
        headers = {TENANT: tenant} if tenant else None
        sent = byname.send_task(TASK, [cmd, "bash"], request, headers=headers)
        result: dict[str, Any] = sent.get(timeout=60)
        return result

    return call


def test_a_kept_workspace_is_the_next_jobs_workspace(run: Run) -> None:
    first = run("mkdir d && echo one > d/f", keep_workspace=True)
    second = run("cat d/f; echo two >> d/f", workspace=first["workspace"], keep_workspace=True)
    assert (second["stdout"], second["workspace_skipped"]) == ("one\n", None)
    assert run("cat d/f", workspace=second["workspace"])["stdout"] == "one\ntwo\n"


def test_two_jobs_from_one_workspace_do_not_see_each_other(run: Run) -> None:
    begun = run("echo begun > f", keep_workspace=True)["workspace"]
    left, right = (run(f"echo {name} >> f", workspace=begun, keep_workspace=True) for name in "ab")
    found = [run("cat f", workspace=one["workspace"])["stdout"] for one in (left, right)]
    assert found == ["begun\na\n", "begun\nb\n"]


def test_an_artifact_by_ref_is_a_file_of_the_next_job(run: Run) -> None:
    left = run("printf '\\0\\377' > f", artifacts=["f"], artifacts_as="ref")["artifacts"]["f"]
    assert (sorted(left), left["size"]) == (["ref", "size"], 2)
    read = run("od -An -tx1 in", files={"in": {"ref": left["ref"]}})
    assert read["stdout"].split() == ["00", "ff"]


@pytest.mark.parametrize("other", [None, "bob"])
def test_another_tenants_ref_is_one_that_does_not_exist(run: Run, other: str | None) -> None:
    ref = run("echo secret > f", tenant="alice", keep_workspace=True)["workspace"]
    assert run("cat f", tenant="alice", workspace=ref)["stdout"] == "secret\n"
    with pytest.raises(Exception, match="there is no blob sha256:") as raised:
        run("cat f", tenant=other, workspace=ref)
    assert type(raised.value).__name__ == "InvalidJob"


def test_a_store_that_is_away_fails_a_job_once_all_attempts_are_spent(
    broker_url: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    del engine
    settings = {"CELLBLOCK_BLOBS": str(tmp_path / "gone"), "CELLBLOCK_MAX_ATTEMPTS": "2"}
    with (
        running_worker(tmp_path, broker_url, "--concurrency=1", **settings),
        Celery(broker=broker_url, backend=broker_url, set_as_current=False) as app,
    ):
        sent = app.send_task(TASK, ["echo hi", "bash"], {"keep_workspace": True}, queue="cellblock")
        with pytest.raises(
            Exception, match="The blob store: No such file or directory in the folder"
        ) as raised:
            sent.get(timeout=60)
    assert type(raised.value).__name__ == "BlobsUnavailable"


def test_a_cancelled_jobs_workspace_is_kept(worker: Worker, byname: Celery, run: Run) -> None:
    sleep = unique_sleep(60)
    sent = byname.send_task(TASK, [f"echo begun > f; {sleep}", "bash"], {"keep_workspace": True})
    wait_until(lambda: runs(sleep), 30, "the job runs")
    assert run_cli("cancel", sent.id, CELLBLOCK_BROKER_URL=worker.broker_url).returncode == 0
    result = sent.get(timeout=30)
    assert result["status"] == "cancelled"
    assert run("cat f", workspace=result["workspace"])["stdout"] == "begun\n"
