"""What is read of a cell's control group: version 2, and version 1 with a folder for each controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.cgroup import ControlGroup
from sandbox.events import Usage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["version_1", "version_2"])
def test_what_a_cell_uses_is_read_alike(request: pytest.FixtureRequest, host: str) -> None:
    group = ControlGroup("/cellblock/one", request.getfixturevalue(host))
    assert group.usage() == Usage(cpu_ns=1_500_000, peak_bytes=4096, oom_kills=2)
    assert group.memory() == {"usage": 2048, "limit": 8192, "stats": {"pgmajfault": 7, "active_file": 1}}


def test_of_a_group_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    assert ControlGroup("/cellblock/one", tmp_path).usage() == Usage()


def test_the_memory_of_sockets_is_limited_where_the_kernel_counts_it_apart(version_1: Path) -> None:
    limit = version_1 / "memory/cellblock/one/memory.kmem.tcp.limit_in_bytes"
    ControlGroup("/cellblock/one", version_1).bound_sockets(1 << 20)
    assert limit.read_text() == "1048576"


def test_where_sockets_count_as_memory_nothing_is_written(version_2: Path) -> None:
    before = set(version_2.rglob("*"))
    ControlGroup("/cellblock/one", version_2).bound_sockets(1 << 20)
    assert set(version_2.rglob("*")) == before
