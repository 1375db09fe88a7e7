"""A cell's control group, changed and killed from outside, in both versions.

The tests in test_engine.py run the same code on real groups of the host's version.
"""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from sandbox.engines.oci.cgroup import CellGroup
from sandbox.engines.oci.process_end import ends
from tests.sandbox.engines.conftest import write

PATH = "/cellblock/one"


def test_a_group_that_is_gone_is_empty_and_removed(tmp_path: Path) -> None:
    group = CellGroup(PATH, tmp_path)
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


def test_a_cell_is_frozen_while_it_is_killed_on_a_kernel_without_that_step(
    version_2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, struck = version_2 / "cellblock/one", list[tuple[int, str]]()
    (own / "cgroup.kill").unlink()
    (own / "cgroup.procs").write_text("7\n8\n")
    monkeypatch.setattr(os, "kill", lambda pid, _: struck.append((pid, (own / "cgroup.freeze").read_text())))
    CellGroup(PATH, version_2).kill()
    assert struck == [(7, "1"), (8, "1")]
    assert (own / "cgroup.freeze").read_text() == "0"


def test_a_group_with_processes_stays(version_2: Path) -> None:
    (version_2 / "cellblock/one/cgroup.procs").write_text("1\n")
    group = CellGroup(PATH, version_2)
    assert (group.is_empty, group.remove()) == (False, False)


def test_the_end_of_what_is_in_a_group_is_awaited_but_not_for_ever(version_2: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as program:
        (version_2 / "cellblock/one/cgroup.procs").write_text(f"{program.pid}\n")
        CellGroup(PATH, version_2).await_end(0.01)
        assert not ends(program.pid, 0)
        program.communicate()
        CellGroup(PATH, version_2).await_end(300)


def test_who_awaits_the_end_of_a_group_goes_on_when_its_processes_have_ended(version_2: Path) -> None:
    with subprocess.Popen(["sleep", "0.2"]) as program:
        (version_2 / "cellblock/one/cgroup.procs").write_text(f"{program.pid}\n")
        CellGroup(PATH, version_2).await_end(300)
        assert ends(program.pid, 0)


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


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV])
def test_a_group_that_is_removed_while_it_is_read_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def gone(*_: object, **__: object) -> str:
        raise OSError(number, os.strerror(number))

    group = CellGroup("/cell", tmp_path)
    monkeypatch.setattr(Path, "read_text", gone)
    monkeypatch.setattr(Path, "write_text", gone)
    group.kill()
    group.await_end(1)
    assert group.is_empty


def test_any_other_error_of_a_group_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> str:
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(OSError, match="no"):
        CellGroup("/cell", tmp_path).is_empty  # noqa: B018
