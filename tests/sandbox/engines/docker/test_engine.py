"""The labels and the name of a container, and the files that stay open after containers were started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config import load_catalogue, load_settings
from sandbox.engines.cgroup import ControlGroup
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.engine import CellSpec, new_name
from sandbox.labels import new_labels
from sandbox.limits import read_limits, warm_limits
from sandbox.process_mark import this_process
from sandbox.profile import SOCKET_BYTES
from tests.programs import ROOT

if TYPE_CHECKING:
    from sandbox import Limits, Sandbox
    from tests.engine_checkpoint import Checkpoint

BASH = load_catalogue()["bash"]


def test_a_container_says_whose_it_is_what_for_and_until_when(limits: Limits) -> None:
    settings = load_settings(owner="we")
    written = new_labels(
        owner="we",
        runtime="bash",
        state="job",
        deadline=1234.6,
        limits=limits.text,
        task="t-1",
        worker="w@h",
    )
    assert read_limits(written.pop("cellblock.limits"), settings) == limits
    assert written == {
        "cellblock.owner": "we",
        "cellblock.task": "t-1",
        "cellblock.worker": "w@h",
        "cellblock.runtime": "bash",
        "cellblock.deadline": "1235",
        "cellblock.state": "job",
        "cellblock.process": this_process(),
    }


def test_no_two_containers_have_one_name() -> None:
    names = {new_name() for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == len("cellblock-") + 12 for name in names)


@pytest.mark.usefixtures("engine")
def test_the_sockets_of_a_cell_have_a_limit_of_their_own_where_the_kernel_counts_them_apart() -> None:
    settings = load_settings(pull="never")
    limits = warm_limits(BASH, settings)
    labels = new_labels(owner=settings.owner, runtime="bash", state="job", deadline=1.0, limits=limits.text)
    engine = DockerEngine(settings)
    opened = engine.make(CellSpec(new_name(), BASH, limits, labels))
    try:
        group = ControlGroup(str(opened.group))
        limit = group.memory_folder / "memory.kmem.tcp.limit_in_bytes"
        assert group.is_unified or int(limit.read_text()) == SOCKET_BYTES
    finally:
        for stream in opened.streams:
            stream.close()
        engine.remove(opened.name)
        engine.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_jobs_that_have_ended_leave_no_file_open(sandbox: Sandbox) -> None:
    sandbox.run("true")
    sandbox.settle()
    before = open_files()
    for _ in range(3):
        sandbox.run("true")
    sandbox.settle()
    assert open_files() <= before


PROGRAM = """
import os
from config import load_catalogue, load_settings
from sandbox import EngineFailed
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.engine import CellSpec, new_name
from sandbox.labels import new_labels
from sandbox.limits import warm_limits

settings, bash, kept = load_settings(pull="never"), load_catalogue()["bash"], []
engine, limits = DockerEngine(settings), warm_limits(bash, settings)
labels = new_labels(owner=settings.owner, runtime="bash", state="job", deadline=1.0, limits=limits.text)
for _ in range(3):
    name = new_name()
    try:
        engine.make(CellSpec(name, bash, limits, labels))
    except EngineFailed as error:
        kept.append(error)  # and with it all that its frames held
    engine.remove(name)
    print(len(os.listdir("/proc/self/fd")))
"""


def test_starts_that_fail_leave_no_file_open(checkpoint: Checkpoint) -> None:
    checkpoint.refuse("POST /containers/[^/]+/start", 500)
    env = os.environ | {"CELLBLOCK_DOCKER_HOST": checkpoint.url}
    command = [sys.executable, "-c", PROGRAM]
    first, *later = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, check=True, timeout=60
    ).stdout.split()
    assert later == [first, first]


def test_an_engine_that_is_closed_has_closed_its_connection(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, closed = DockerEngine(load_settings(docker_host=checkpoint.url)), list[object]()
    engine.now()
    client = engine._client()
    monkeypatch.setattr(client, "close", lambda: closed.append(client))
    engine.close()
    engine.close()
    monkeypatch.undo()
    client.close()
    assert closed == [client]
