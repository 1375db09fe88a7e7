"""A process that was forked is, to a test, the command that it stands for."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.preloaded import launcher, run, start
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.preloaded import Running

pytestmark = pytest.mark.usefixtures("_unmeasured")

PROGRAM = "import signal; print('up', flush=True); signal.pause()"


@pytest.fixture
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured starts as a program of its own, so that nothing runs before the measuring begins."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)


def started(folder: Path, **settings: str) -> Running:
    """A program that runs until a signal comes."""
    (folder / "odd.py").write_text(PROGRAM)
    with (folder / "log").open("wb") as log:
        process = start("odd", env=os.environ | settings, output=log, cwd=folder)
    wait_until((folder / "log").read_text, 10, "it runs")
    return process


def test_it_has_the_streams_and_the_exit_code_of_the_command() -> None:
    good, bad = (run("json.tool", env=os.environ, text=text, within_s=30) for text in ('{"a": "é"}', "{"))
    assert (good.returncode, good.stdout, good.stderr) == (0, '{\n    "a": "\\u00e9"\n}\n', "")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("Expecting property name")


def test_it_has_its_own_folder_environment_and_modules(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("import os, sys; print(os.getcwd(), os.environ['ODD'], sys.argv[1:])")
    ran = run("odd", "a", "b c", env=os.environ | {"ODD": "1"}, cwd=tmp_path, within_s=30)
    assert ran.stdout == f"{tmp_path} 1 ['a', 'b c']\n"
    assert "ODD" not in os.environ


def test_nothing_of_the_product_is_there_before_it_starts(tmp_path: Path) -> None:
    names = ["cli", "tasks", "sandbox", "config", "api"]
    (tmp_path / "odd.py").write_text(
        f"import sys; print(set(sys.modules) & set({names}), 'celery' in sys.modules)"
    )
    assert run("odd", env=os.environ, cwd=tmp_path, within_s=30).stdout == "set() True\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_signal_that_ends_it_is_its_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait(10) == process.poll() == -number
    assert not psutil.pid_exists(process.pid)


def test_a_setting_of_the_interpreter_starts_a_new_one(tmp_path: Path) -> None:
    process = started(tmp_path, PYTHONWARNINGS="error")
    assert isinstance(process, subprocess.Popen)
    process.kill()
    process.wait(10)


def test_a_program_that_starts_it_passes_signals_on_and_gets_its_end(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(PROGRAM)
    with (tmp_path / "log").open("wb") as log:
        stand_in = subprocess.Popen(launcher("odd"), stdout=log, stderr=log, cwd=tmp_path)
    wait_until((tmp_path / "log").read_text, 10, "it runs")
    stand_in.terminate()
    assert stand_in.wait(10) == -signal.SIGTERM


def test_it_says_where_it_was_when_it_is_aborted_if_that_is_asked_for(tmp_path: Path) -> None:
    process = started(tmp_path, PYTHONFAULTHANDLER="1")
    process.send_signal(signal.SIGABRT)
    assert process.wait(10) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in (tmp_path / "log").read_text()
    assert not isinstance(process, subprocess.Popen)
