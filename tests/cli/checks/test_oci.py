"""What doctor says of a host whose cells have no daemon."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.checks import oci, stock
from cli.checks.finding import Level
from sandbox import EngineUnreachable
from sandbox.engines.oci.engine import OciEngine


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host on which all is well; its runtime is a program that says its version."""
    program = tmp_path / "crun"
    program.write_text("#!/bin/sh\necho crun version 9\n")
    program.chmod(0o755)
    state = tmp_path / "state"
    state.mkdir()
    for name, value in {
        "ENGINE": "oci",
        "OCI_RUNTIME": str(program),
        "STORE": str(tmp_path / "store"),
        "STATE": str(state),
    }.items():
        monkeypatch.setenv(f"CELLBLOCK_{name}", value)
    # The folders above are the test run's own.
    is_open = oci._is_open
    monkeypatch.setattr(oci, "_is_open", lambda path: path.parent != tmp_path or is_open(path))
    monkeypatch.setattr(oci, "_is_in_memory", lambda _: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return state


@pytest.mark.parametrize(("folder", "is_in_memory"), [("/dev/shm/no/such", True), ("/proc/no/such", False)])
def test_whether_a_folder_is_in_memory_is_known_before_it_is_made(folder: str, *, is_in_memory: bool) -> None:
    assert oci._is_in_memory(Path(folder)) is is_in_memory


def test_a_state_folder_on_a_disk_is_told(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host.chmod(0o755)
    monkeypatch.setattr(oci, "_is_in_memory", lambda _: False)
    found = [finding.message for finding in oci.runtime() if finding.level is Level.WARNING]
    assert found == [f"{host} is on a disk, and each cell waits for it"]


def problems() -> list[str]:
    return [finding.message for finding in oci.runtime() if finding.level is Level.PROBLEM]


def test_where_all_is_well_the_runtime_and_the_number_of_cells_are_named(host: Path) -> None:
    host.chmod(0o755)
    assert [finding.message for finding in oci.runtime()] == [
        "crun version 9, with no daemon in between",
        "1024 cells at a time can have host ids of their own",
    ]
    assert list(host.iterdir()) == []


def test_a_folder_of_mounts_that_nobody_else_may_enter_is_a_problem(host: Path) -> None:
    host.chmod(0o700)
    assert problems() == [f"cells can't enter {host}, where their files are"]


def test_the_cells_of_a_worker_that_is_not_root_enter_the_store_alone(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.chmod(0o700)
    closed = tmp_path / "store"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("CELLBLOCK_STORE", str(closed))
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(OciEngine, "require_rights", lambda _: None)
    assert problems() == [f"cells can't enter {closed}, where their files are"]


def test_a_worker_that_is_not_root_needs_a_store_whose_programs_may_be_executed(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del host
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOEXEC))
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(OciEngine, "require_rights", lambda _: None)
    assert problems() == [f"no image's program may be executed: {store} is mounted noexec"]


def test_a_host_whose_apparmor_has_no_profile_for_cells_is_told_how_to_load_it(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.chmod(0o755)
    monkeypatch.setattr(oci, "is_enabled", lambda: True)
    monkeypatch.setattr(oci, "loaded_profile", lambda: None)
    *_, finding = oci.runtime()
    assert (finding.level, finding.mend) == (
        Level.WARNING,
        "apparmor_parser --replace deploy/apparmor/cellblock-cell",
    )


def test_a_runtime_that_is_not_there_is_named_with_what_to_install(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_OCI_RUNTIME", "no-crun")
    with pytest.raises(EngineUnreachable, match=r"^There is no OCI runtime no-crun\. Try: apt-get install"):
        list(oci.runtime())


def test_an_ordinary_user_is_told_what_it_lacks(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    with pytest.raises(EngineUnreachable, match=r"Try: (apt-get install uidmap|usermod)"):
        list(oci.runtime())


def test_little_room_for_the_images_is_told_with_what_makes_some(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.checks.stock.psutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    (found,) = stock.disk()
    assert (found.level, found.mend) == (Level.PROBLEM, "cellblock images prune, or a larger disk")
    assert str(host.parent) in found.message
