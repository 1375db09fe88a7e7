"""How `doctor` judges each fact that an engine reports, up to the value where it becomes a finding."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.checks import engine, installation, stock
from cli.checks.finding import Level
from sandbox.budget import Host
from tests.cli.checks.test_engine import HEALTHY
from tests.engine_stand_in import standing_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine_stand_in import StandIn

    Examine = Callable[..., list[dict[str, Any]]]

MIB = 1 << 20


@pytest.mark.parametrize(
    ("version", "level"),
    [("20.10.0", "ok"), ("20.9.9", "problem"), ("19.99", "problem"), ("21.0-ce", "ok"), ("28.3.1", "ok")],
)
def test_engines_from_20_10_on_are_recent_enough(version: str, level: str) -> None:
    finding = engine._version({"ServerVersion": version}, "unix:///x")
    assert (finding.level, finding.message) == (level, f"engine {version} at unix:///x, cgroup version 1")


@pytest.mark.parametrize(
    ("driver", "level"),
    [
        ("overlay2", "ok"),
        ("btrfs", "ok"),
        *((name, "warning") for name in ("vfs", "devicemapper", "aufs", "overlay")),
    ],
)
def test_a_storage_driver_that_copies_is_slow(driver: str, level: str) -> None:
    assert engine._storage(driver).level == level


def test_what_filters_system_calls_is_named_with_what_helps_besides() -> None:
    options = ["name=seccomp,profile=default", "name=rootless", "name=apparmor", "name=cgroupns"]
    assert engine._system_calls({"SecurityOptions": options}).message == (
        "system calls are filtered (seccomp), besides apparmor, rootless"
    )
    assert engine._system_calls({"SecurityOptions": ["name=seccomp"]}).message.endswith("(seccomp)")
    assert engine._system_calls({"SecurityOptions": None}).level is Level.PROBLEM


@pytest.mark.parametrize(
    ("about", "found"),
    [
        ({}, []),
        ({"CgroupDriver": "none"}, ["the engine keeps no limits at all (cgroup driver none)"]),
        ({"MemoryLimit": False}, ["the engine cannot limit memory"]),
        ({"PidsLimit": False}, ["the engine cannot limit pids"]),
        ({"CpuCfsQuota": False}, ["the engine cannot limit cpu"]),
        ({"MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": True, "SwapLimit": True}, []),
    ],
    ids=str,
)
def test_a_limit_that_the_engine_cannot_keep_is_named(about: dict[str, Any], found: list[str]) -> None:
    assert [(one.level, one.message) for one in engine._limits(about)] == [
        ("problem", words) for words in found
    ]


@pytest.mark.parametrize(
    ("swaps", "can_limit", "found"), [(1, False, True), (0, False, False), (1, True, False)]
)
def test_swap_counts_where_there_is_some_and_no_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, swaps: int, can_limit: bool, found: bool
) -> None:
    table = "Filename Type Size Used Priority\n" + "/swap file 1 0 -2\n" * swaps
    # The form is that of proc_swaps(5). A test can't turn swap on.
    monkeypatch.setattr(Path, "read_text", lambda _: table)
    messages = [one.message for one in engine._limits({"SwapLimit": can_limit})]
    assert messages == ["the engine cannot keep jobs out of swap"] * found


@pytest.mark.parametrize(
    ("about", "runtime", "levels"),
    [
        ({"CgroupVersion": "2", "CgroupDriver": "none"}, None, []),
        ({"CgroupVersion": "1", "CgroupDriver": "none", "DefaultRuntime": "crun"}, None, ["ok"]),
        ({"CgroupVersion": "1", "CgroupDriver": "none", "DefaultRuntime": "runc"}, "runsc", ["ok"]),
        ({"CgroupVersion": "1", "CgroupDriver": "none", "DefaultRuntime": "runc"}, None, ["warning"]),
        ({"CgroupVersion": "1", "CgroupDriver": "none", "DefaultRuntime": "crun"}, "runc", ["warning"]),
        ({"CgroupDriver": "none"}, None, ["warning"]),
    ],
)
def test_sockets_are_bounded_by_version_2_or_by_a_runtime_that_can(
    about: dict[str, Any], runtime: str | None, levels: list[str]
) -> None:
    assert [one.level for one in engine._sockets(about, runtime)] == levels


def test_an_oci_runtime_that_is_missing_is_told_with_those_that_are_there(
    tmp_path: Path, examine: Examine
) -> None:
    with standing_in(tmp_path / "docker.sock") as stand_in:
        stand_in.about = HEALTHY | {"Runtimes": {"runc": {}, "crun": {}}}
        found = examine("engine", CELLBLOCK_DOCKER_HOST=stand_in.url, CELLBLOCK_OCI_RUNTIME="kata")
        assert (
            examine("engine", CELLBLOCK_DOCKER_HOST=stand_in.url, CELLBLOCK_OCI_RUNTIME="crun")[-1]["level"]
            == "ok"
        )
    assert found[-1]["message"] == "the engine has no OCI runtime 'kata'; it has runc, crun"


@pytest.mark.parametrize(
    ("free_bytes", "level"),
    [
        (256 * MIB - 1, Level.PROBLEM),
        (256 * MIB, Level.WARNING),
        (2048 * MIB - 1, Level.WARNING),
        (2048 * MIB, Level.OK),
    ],
)
def test_an_engine_wants_a_quarter_of_a_gigabyte_and_better_two(free_bytes: int, level: Level) -> None:
    assert stock.room(Path("/x"), free_bytes).level is level


def test_the_disk_of_an_engine_elsewhere_is_not_seen(tmp_path: Path, examine: Examine) -> None:
    with standing_in(tmp_path / "docker.sock") as stand_in:
        stand_in.about = HEALTHY | {"DockerRootDir": str(tmp_path / "elsewhere")}
        (found,) = examine("disk", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (found["level"], "elsewhere" in found["message"]) == ("skipped", True)


@contextmanager
def open_engine(path: Path) -> Iterator[StandIn]:
    """Gives a fake engine that refuses nothing."""
    with standing_in(path) as stand_in:
        stand_in.about, stand_in.plugins = HEALTHY, 200
        yield stand_in


@pytest.mark.parametrize(("mode", "is_open"), [(0o666, True), (0o662, True), (0o660, False), (0o664, False)])
def test_a_socket_that_everybody_may_write_to_is_a_problem(
    tmp_path: Path, examine: Examine, mode: int, is_open: bool
) -> None:
    with open_engine(tmp_path / "docker.sock") as stand_in:
        (tmp_path / "docker.sock").chmod(mode)
        found = examine("socket", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert [one["level"] for one in found] == ["problem"] * is_open + ["warning"]


@pytest.mark.parametrize(("option", "level"), [("rootless", "ok"), ("userns", "ok"), ("apparmor", "warning")])
def test_an_engine_whose_root_is_nobody_may_be_in_reach(
    tmp_path: Path, examine: Examine, option: str, level: str
) -> None:
    with open_engine(tmp_path / "docker.sock") as stand_in:
        (tmp_path / "docker.sock").chmod(0o600)
        stand_in.about = HEALTHY | {"SecurityOptions": ["name=seccomp", f"name={option}"]}
        (found,) = examine("socket", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert found["level"] == level


def test_an_engine_that_cannot_say_is_no_proxy(tmp_path: Path, examine: Examine) -> None:
    with standing_in(tmp_path / "docker.sock") as stand_in:
        stand_in.plugins = 500
        (found,) = examine("socket", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (found["level"], "list its plugins" in found["message"]) == ("problem", True)


def test_more_jobs_than_the_host_holds_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, examine: Examine
) -> None:
    monkeypatch.setattr(installation, "this_host", lambda: Host(4 << 30, 1 << 22, 1 << 60))
    levels = {
        jobs: [one["level"] for one in examine("budget", CELLBLOCK_CONCURRENCY=jobs)] for jobs in ("2", "9")
    }
    assert levels == {"2": ["ok"], "9": ["warning", "ok"]}
    (found,) = examine("budget", CELLBLOCK_CONCURRENCY="2")
    assert found["message"] == "2 jobs at a time on 4 GiB of memory"


def test_nothing_left_behind_is_said(engine: object, examine: Examine) -> None:
    (found,) = examine("leftovers", CELLBLOCK_OWNER="nobody-at-all")
    assert (found["level"], found["message"]) == ("ok", "nothing of 'nobody-at-all' is left behind")
