"""What is said of an OCI runtime's program that does not do its work. A script stands in for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import EngineFailed, EngineUnreachable
from sandbox.engines.oci.engine import OciEngine
from sandbox.engines.oci.mounts import CellMounts
from sandbox.engines.oci.runtime import OciRuntime
from sandbox.engines.oci.state import CellFolder
from tests.conftest import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: dict[str, Any] = {"process": {}, "mounts": [], "linux": {"maskedPaths": [], "seccomp": {}}}
Crun = Callable[[str], OciRuntime]


@pytest.fixture
def crun(tmp_path: Path) -> Crun:
    """Gives a function that makes a runtime of a script. It has a third of a second for each call."""

    def make(script: str) -> OciRuntime:
        program = tmp_path / "crun"
        program.write_text(script)
        program.chmod(0o755)
        return OciRuntime(str(program), 0.3)

    return make


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[OciRuntime], None]]:
    """Gives a function that has a runtime make a cell."""
    if os.geteuid() != 0:
        unavailable("Only root has the rights that a launcher needs here.")
    folder = CellFolder(tmp_path / "one")
    folder.path.mkdir()
    null = os.open(os.devnull, os.O_RDWR)
    mounts = CellMounts(tmp_path, None, folder.path, tmp_path / "state")
    yield lambda runtime: runtime.start(folder, mounts, CONFIG, [], (null, null, null))
    os.close(null)


def test_a_program_that_fails_to_say_its_version_does_not_answer(crun: Crun) -> None:
    with pytest.raises(EngineUnreachable, match="The OCI runtime does not answer"):
        crun("#!/bin/sh\nexit 1\n").version()


def test_a_program_that_takes_too_long_is_killed(
    crun: Crun, start: Callable[[OciRuntime], None], tmp_path: Path
) -> None:
    with pytest.raises(EngineFailed, match=r"made no cell within 0\.3 s\.$"):
        start(crun(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 300\n"))
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_that_a_program_refuses_without_a_word_is_said(
    crun: Crun, start: Callable[[OciRuntime], None]
) -> None:
    with pytest.raises(EngineFailed, match=r"could not make a cell: it does not say why\.$"):
        start(crun("#!/bin/sh\nexit 1\n"))


def test_a_program_that_the_kernel_can_not_start_is_unreachable(
    crun: Crun, start: Callable[[OciRuntime], None]
) -> None:
    with pytest.raises(EngineUnreachable, match="can't be started: No such file"):
        start(crun("#!/no/such/shell\n"))


@pytest.mark.parametrize("program", ["runc", "/usr/sbin/runc", "runsc"])
def test_a_runtime_that_makes_cells_for_root_alone_is_refused_to_others(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        EngineUnreachable, match=r"^run\w+ can't make cells for a user who is not root\. Try: "
    ):
        OciEngine(load_settings(engine="oci", oci_runtime=program)).now()


@pytest.mark.parametrize(("user", "program"), [(0, "runc"), (1000, "crun")])
def test_root_may_use_any_runtime_and_others_crun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, program: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    OciRuntime(program, 1).require_user()
