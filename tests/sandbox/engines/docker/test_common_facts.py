"""What all containers of an engine have in common, as the engine and the kernel tell it of the first one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.engines.cgroup import ControlGroup
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.common_facts import CommonFacts, group_path
from tests.sandbox.engines.conftest import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from tests.engine_checkpoint import Checkpoint
    from tests.sandbox.conftest import Leave

INSPECT = "GET /containers/[^/]+/json"
ID = "0123456789abcdef" * 4


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path / "proc"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_on_version_1_it_is_the_group_of_the_memory_controller(proc: Path, root: Path) -> None:
    write(root, {f"cpuacct/docker/{ID}/cpuacct.usage": "1"})
    write(proc, {"7/cgroup": f"12:cpuset:/\n9:name=systemd:/x\n8:memory:/docker/{ID}\n0::/\n"})
    assert group_path(7, ID, proc, root) == f"/docker/{ID}"


def test_on_version_2_it_is_the_only_group(proc: Path, root: Path) -> None:
    path = f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope"
    write(root, {"cgroup.controllers": "cpu", f"{path[1:]}/cpu.stat": "usage_usec 1\n"})
    write(proc, {"7/cgroup": f"0::{path}\n"})
    assert group_path(7, ID, proc, root) == path


def test_a_process_of_another_host_with_the_same_number_is_not_taken_for_it(proc: Path, root: Path) -> None:
    write(root, {"cgroup.controllers": "cpu", "cpu.stat": "usage_usec 1\n"})
    write(proc, {"7/cgroup": "0::/\n"})
    assert group_path(7, ID, proc, root) is None


def test_without_such_a_process_or_readable_files_there_is_none(proc: Path, root: Path) -> None:
    write(proc, {"7/cgroup": f"0::/docker/{ID}\n"})
    assert (group_path(8, ID, proc, root), group_path(7, ID, proc, root)) == (None, None)


@pytest.fixture
def facts(checkpoint: Checkpoint) -> Iterator[CommonFacts]:
    """What is learned of the real engine, which is asked through the checkpoint."""
    with closing(connect(load_settings(docker_host=checkpoint.url))) as client:
        yield CommonFacts(client)


def test_the_engine_is_asked_about_one_container_for_all(
    checkpoint: Checkpoint, engine: docker.APIClient, facts: CommonFacts, leave: Leave
) -> None:
    for _ in range(2):
        name = leave("sleep 600", start=True)
        container = engine.inspect_container(name)["Id"]
        facts.learn(name, container)
        group = facts.group_of(container)
        assert group is not None
        assert ControlGroup(group).cpu_ns()
    assert (len(checkpoint.made(INSPECT)), facts.oci_runtime) == (1, engine.info()["DefaultRuntime"])


def test_an_engine_that_does_not_tell_is_asked_again_with_the_next_container(
    checkpoint: Checkpoint, engine: docker.APIClient, facts: CommonFacts, leave: Leave
) -> None:
    name = leave("sleep 600", start=True)
    container = engine.inspect_container(name)["Id"]
    checkpoint.refuse(INSPECT, 500, times=1)
    facts.learn(name, container)
    assert (facts.group_of(container), facts.oci_runtime) == (None, None)
    facts.learn(name, container)
    assert facts.group_of(container)
