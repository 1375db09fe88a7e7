"""What counts as noticed, and what is left of a trial, with tests of a small program."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.engines import oci_state
from tests.mutation.remains import remove_remains
from tests.mutation.trial import Outcome, attempt

if TYPE_CHECKING:
    from pathlib import Path

SOUND, FAULTY = "ANSWER = 42\n", "ANSWER = 421\n"

pytestmark = pytest.mark.slow


@dataclass
class Fault:
    """A fault in the program, as `attempt` needs it."""

    path: str = "program.py"

    def source(self) -> str:
        return FAULTY


def tried(tree: Path, body: str) -> Outcome:
    """Try the fault with a test that has this body."""
    (tree / "program.py").write_text(SOUND)
    (tree / "test_program.py").write_text(f"import os, subprocess, program\ndef test_it():\n    {body}\n")
    fault: Any = Fault()
    outcome = attempt(fault, tree, ["test_program.py::test_it"], 1.0).outcome
    assert (tree / "program.py").read_text() == SOUND
    return outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("assert program.ANSWER == 42", Outcome.NOTICED),
        ("assert program.ANSWER", Outcome.SURVIVED),
        ("assert not program.ANSWER", Outcome.UNRELIABLE),
    ],
)
def test_a_fault_is_noticed_by_a_test_that_fails_with_it_and_passes_without_it(
    tmp_path: Path, body: str, outcome: Outcome
) -> None:
    assert tried(tmp_path, body) is outcome


def test_each_run_of_the_tests_is_a_deployment_of_its_own(tmp_path: Path) -> None:
    owners = tmp_path / "owners"
    tried(tmp_path, f"open({str(owners)!r}, 'a').write(os.environ['TEST_OWNER'] + '\\n'); assert not program")
    first, second = owners.read_text().split()
    assert first != second


def test_a_process_that_the_tests_have_left_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    left = "subprocess.Popen(['sleep', '300'], start_new_session=True).pid"
    assert tried(tmp_path, f"open({str(pid)!r}, 'w').write(str({left}))") is Outcome.SURVIVED
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(int(pid.read_text())).status() == psutil.STATUS_ZOMBIE


@pytest.mark.usefixtures("oci_settings")
def test_the_folder_of_cells_that_the_tests_have_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    state = oci_state("test-gone")
    (state / "ids").mkdir(parents=True)
    remove_remains("test-gone")
    assert not state.exists()


def test_the_processes_of_other_runs_stay(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "300"], env=os.environ | {"TEST_OWNER": "test-other"}) as other:
        remove_remains("test-gone")
        assert other.poll() is None
        other.kill()
