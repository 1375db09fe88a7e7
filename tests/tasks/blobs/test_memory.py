"""What large contents take of a worker's memory: a bound that does not depend on their size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from config import load_settings
from sandbox.blobs import write_blob
from tasks.blobs import open_blobs
from tasks.headers import TASK
from tests.programs import running_worker

if TYPE_CHECKING:
    import docker
    import psutil

MIB = 1 << 20
LARGE = 160 * MIB
ROOM = {"disk": "256m", "memory": "600m", "timeout": 60}


@pytest.mark.parametrize("where", ["redis", "folder"])
def test_contents_many_times_the_bound_pass_through_a_worker(
    broker_url: str, engine: docker.APIClient, tmp_path: Path, where: str
) -> None:
    del engine
    place = "redis" if where == "redis" else str(tmp_path)
    given = {"blobs": place, "blobs_limit": "1g", "broker_url": broker_url}
    with open_blobs(load_settings(**given)) as store:
        blob = write_blob(store, [bytes([number]) * MIB for number in range(LARGE // MIB)])
    variables = {"CELLBLOCK_BLOBS": place, "CELLBLOCK_BLOBS_LIMIT": "1g"}
    with (
        running_worker(tmp_path, broker_url, "--concurrency=1", **variables) as worker,
        Celery(broker=broker_url, backend=broker_url, set_as_current=False) as app,
    ):
        run = run_by(app)
        small = run("echo x > f", keep_workspace=True, artifacts=["f"], artifacts_as="ref")
        run("true", workspace=small["workspace"], files={"g": {"ref": small["artifacts"]["f"]["ref"]}})
        idle = [resident(process) for process in worker.pool]
        moved = run("mv a b", files={"a": {"ref": blob.ref}}, artifacts=["b"], artifacts_as="ref", **ROOM)
        kept = run("mv a b", files={"a": {"ref": blob.ref}}, keep_workspace=True, **ROOM)
        back = run("wc -c < b", workspace=kept["workspace"], **ROOM)
        peaks = [peak(process) - before for process, before in zip(worker.pool, idle, strict=True)]
    assert (moved["artifacts"], back["stdout"].strip()) == (
        {"b": {"size": LARGE, "ref": blob.ref}},
        str(LARGE),
    )
    assert max(peaks) < 64 * MIB


def run_by(app: Celery) -> Any:
    def run(cmd: str, **request: object) -> Any:
        return app.send_task(TASK, [cmd, "bash"], request, queue="cellblock").get(timeout=90)

    return run


def resident(process: psutil.Process) -> int:
    """The memory that a process has now. Its peak is counted from now on."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return process.memory_info().rss


def peak(process: psutil.Process) -> int:
    """The most memory that it had since then."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (found,) = (line.split() for line in lines if line.startswith("VmHWM"))
    return int(found[1]) << 10
