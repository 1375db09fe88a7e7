"""Where the control groups of cells are made, as systemd marks what it delegates (cgroup version 2).

The tests write the files themselves, because systemd does not run everywhere. `make debian13 ENGINE=oci-user`
runs the same code on real groups.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sandbox import EngineUnreachable
from sandbox.engines.oci.delegation import _user_delegates, cells_parent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNIT = "system.slice/worker@1.service"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The group of a unit with `Delegate=yes`, in which one process runs."""
    (tmp_path / "cgroup.controllers").touch()
    folder = tmp_path / UNIT
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (folder / "cgroup.subtree_control").touch()
    (folder / "cgroup.procs").write_text("7\n")
    os.setxattr(folder, "user.delegate", b"1")
    return folder


def parent(root: Path, own: str = UNIT) -> str:
    (root / "own").write_text(f"0::/{own}\n")
    return cells_parent("x", root, root / "own")


@pytest.mark.usefixtures("unit")
def test_cells_are_below_the_group_that_is_delegated(tmp_path: Path) -> None:
    assert parent(tmp_path) == f"/{UNIT}/cellblock-x"


def test_a_delegated_group_has_no_process_of_its_own_and_can_limit_cells(tmp_path: Path, unit: Path) -> None:
    parent(tmp_path)
    assert (unit / "worker" / "cgroup.procs").read_text() == "7"
    assert (unit / "cgroup.subtree_control").read_text() == "+cpu +memory +pids +io"


def test_a_worker_that_is_in_the_leaf_stays_there(tmp_path: Path, unit: Path) -> None:
    (unit / "cgroup.subtree_control").write_text("cpu io memory pids\n")
    assert parent(tmp_path, f"{UNIT}/worker") == f"/{UNIT}/cellblock-x"
    assert not (unit / "worker").exists()


@pytest.mark.parametrize("own", ["system.slice", "", f"{UNIT}/other"])
@pytest.mark.usefixtures("unit")
def test_cells_of_root_are_at_the_top_where_nothing_is_delegated(tmp_path: Path, own: str) -> None:
    assert parent(tmp_path, own) == "/cellblock-x"


def test_cells_of_root_are_at_the_top_with_version_1(tmp_path: Path) -> None:
    assert parent(tmp_path) == "/cellblock-x"


@pytest.fixture
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.fixture
def answer(tmp_path: Path, unit: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with what the user's own systemd says when it is asked whether the unit is delegated."""
    os.removexattr(unit, "user.delegate")
    program, file = tmp_path / "systemctl", tmp_path / "answer"
    question = f"--user show --property=Delegate --value {unit.name}"
    program.write_text(f'#!/bin/sh\n[ "$*" = "{question}" ] && cat {file}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    yield file
    _user_delegates.cache_clear()


@pytest.mark.usefixtures("_user")
def test_the_systemd_of_a_user_is_asked_because_it_marks_nothing(tmp_path: Path, answer: Path) -> None:
    answer.write_text("yes\n")
    assert parent(tmp_path) == f"/{UNIT}/cellblock-x"


@pytest.mark.usefixtures("_user")
def test_a_unit_that_a_user_has_not_delegated_is_left_alone(tmp_path: Path, answer: Path) -> None:
    answer.write_text("no\n")
    with pytest.raises(EngineUnreachable, match=r"Try: run the worker as a unit with Delegate=yes"):
        parent(tmp_path)


@pytest.mark.usefixtures("_user")
def test_an_ordinary_user_on_a_host_with_version_1_is_told_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match=r"Try: run the worker as a unit with Delegate=yes"):
        parent(tmp_path)


def test_a_group_that_can_not_limit_memory_is_refused(tmp_path: Path, unit: Path) -> None:
    (unit / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(EngineUnreachable, match="can't limit memory"):
        parent(tmp_path)


def test_a_group_that_can_not_be_changed_is_refused(tmp_path: Path, unit: Path) -> None:
    (unit / "worker").touch()
    with pytest.raises(EngineUnreachable, match="can't be used"):
        parent(tmp_path)


@pytest.mark.usefixtures("_user", "answer")
def test_a_unit_of_a_host_whose_systemd_can_not_be_asked_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineUnreachable, match=r"Try: run the worker as a unit with Delegate=yes"):
        parent(tmp_path)
