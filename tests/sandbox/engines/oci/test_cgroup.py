"""A cell's control group as the kernel shows it: version 2, and version 1 with a folder for each controller.

The tests write the files themselves, because a host has only one version. The tests in test_engine.py run the
same code on real groups of the host's version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.cgroup import CellGroup
from sandbox.events import Usage

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/cellblock/one"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    own = "cellblock/one"
    write(
        tmp_path,
        {
            "cgroup.controllers": "cpu memory pids",
            f"{own}/cpu.stat": "usage_usec 1500\nuser_usec 1000\n",
            f"{own}/memory.peak": "4096\n",
            f"{own}/memory.events": "low 0\noom 1\noom_kill 2\n",
            f"{own}/memory.current": "2048\n",
            f"{own}/memory.max": "8192\n",
            f"{own}/memory.stat": "pgmajfault 7\nactive_file 1\n",
            f"{own}/cpu.max": "max 100000\n",
            f"{own}/cgroup.procs": "",
            f"{own}/cgroup.kill": "",
        },
    )
    return tmp_path


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "cpuacct/cellblock/one/cpuacct.usage": "1500000\n",
            "memory/cellblock/one/memory.max_usage_in_bytes": "4096\n",
            "memory/cellblock/one/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            "memory/cellblock/one/memory.usage_in_bytes": "2048\n",
            "memory/cellblock/one/memory.limit_in_bytes": "8192\n",
            "memory/cellblock/one/memory.memsw.limit_in_bytes": "8192\n",
            "memory/cellblock/one/memory.stat": "pgmajfault 7\nactive_file 1\n",
            "cpu/cellblock/one/cpu.cfs_quota_us": "-1\n",
        },
    )
    return tmp_path


@pytest.mark.parametrize("host", ["version_1", "version_2"])
def test_what_a_cell_uses_is_read_alike(request: pytest.FixtureRequest, host: str) -> None:
    group = CellGroup(PATH, request.getfixturevalue(host))
    assert group.usage() == Usage(cpu_ns=1_500_000, peak_bytes=4096, oom_kills=2)
    assert group.memory() == {"usage": 2048, "limit": 8192, "stats": {"pgmajfault": 7, "active_file": 1}}


def test_of_a_group_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    group = CellGroup(PATH, tmp_path)
    assert group.usage() == Usage()
    assert (group.is_empty, group.remove()) == (True, True)
    group.kill()


def test_limits_are_changed_on_version_2(version_2: Path) -> None:
    CellGroup(PATH, version_2).set_limits(1 << 20, quota_us=50_000, period_us=100_000)
    own = version_2 / "cellblock/one"
    assert [(own / name).read_text() for name in ("memory.max", "cpu.max")] == ["1048576", "50000 100000"]


@pytest.mark.parametrize("memory_bytes", [4096, 1 << 20])
def test_limits_are_changed_on_version_1(version_1: Path, memory_bytes: int) -> None:
    CellGroup(PATH, version_1).set_limits(memory_bytes, quota_us=50_000, period_us=100_000)
    memory = version_1 / "memory/cellblock/one"
    names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    assert [(memory / name).read_text() for name in names] == [str(memory_bytes)] * 2
    assert (version_1 / "cpu/cellblock/one/cpu.cfs_quota_us").read_text() == "50000"


def test_all_of_a_cell_is_killed_in_one_step_on_version_2(version_2: Path) -> None:
    CellGroup(PATH, version_2).kill()
    assert (version_2 / "cellblock/one/cgroup.kill").read_text() == "1"


def test_a_group_with_processes_stays(version_2: Path) -> None:
    (version_2 / "cellblock/one/cgroup.procs").write_text("1\n")
    group = CellGroup(PATH, version_2)
    assert (group.is_empty, group.remove()) == (False, False)


def test_a_cell_is_thawed_though_its_kill_is_interrupted(
    version_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        version_1,
        {
            "memory/cellblock/one/cgroup.procs": "1\n",
            "freezer/cellblock/one/freezer.state": "THAWED",
        },
    )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sandbox.engines.oci.cgroup.os.kill", interrupt)
    with pytest.raises(KeyboardInterrupt):
        CellGroup(PATH, version_1).kill()
    assert (version_1 / "freezer/cellblock/one/freezer.state").read_text() == "THAWED"
