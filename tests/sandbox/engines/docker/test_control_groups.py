"""Where an engine's containers have their control groups, as the kernel tells."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.engines.cgroup import ControlGroup
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.control_groups import ControlGroups, group_path
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
def groups(checkpoint: Checkpoint) -> Iterator[ControlGroups]:
    """The control groups of the real engine, which is asked through the checkpoint."""
    with closing(connect(load_settings(docker_host=checkpoint.url))) as client:
        yield ControlGroups(client)


def test_a_running_container_is_found_and_the_engine_is_asked_once(
    checkpoint: Checkpoint, engine: docker.APIClient, groups: ControlGroups, leave: Leave
) -> None:
    for _ in range(2):
        name = leave("sleep 600", start=True)
        path = groups.path_of(name, engine.inspect_container(name)["Id"])
        assert path is not None
        assert ControlGroup(path).cpu_ns()
    assert len(checkpoint.made(INSPECT)) == 1


def test_an_engine_that_does_not_tell_is_asked_again_with_the_next_container(
    checkpoint: Checkpoint, engine: docker.APIClient, groups: ControlGroups, leave: Leave
) -> None:
    name = leave("sleep 600", start=True)
    container = engine.inspect_container(name)["Id"]
    checkpoint.refuse(INSPECT, 500, times=1)
    assert [groups.path_of(name, container) is None for _ in range(2)] == [True, False]
