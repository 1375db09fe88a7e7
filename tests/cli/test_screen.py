"""What `cellblock run` shows while a job runs, and what `--explain` shows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.local import _Screen
from cli.main import command_line
from sandbox.cell import CellInfo
from sandbox.events import STDERR, STDOUT
from tests.cli.terminal import on_a_terminal
from tests.programs import ROOT, running, runs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result

    from sandbox import Sandbox

HOST = {"ENABLE_DOCKER": "false"}


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Gives a function that runs `cellblock run` in this process in host mode, in an empty folder."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    yield lambda *arguments: CliRunner().invoke(command_line("run"), ["run", *arguments])
    signal.signal(signal.SIGTERM, before)


def test_of_two_cells_the_last_ones_output_is_shown(
    host: Sandbox, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    screen = _Screen(host.parse(None, files={"main.c": "int main;"}), raw=False)
    for said in (b"compiler", b"program"):
        screen.placed(CellInfo("host"))
        screen.heard(STDOUT, said)
        screen.heard(STDERR, said)
    assert capfdbinary.readouterr() == (b"program", b"program")
    assert screen.shown


def test_of_a_job_whose_compiler_fails_nothing_was_shown_yet(host: Sandbox) -> None:
    screen = _Screen(host.parse(None, files={"main.c": "int main;"}), raw=False)
    screen.placed(CellInfo("host"))
    assert not screen.shown


def test_an_explanation_is_a_line_for_each_step(tmp_path: Path, run_here: Callable[..., Result]) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return 0; }")
    assert run_here("--file", "main.c", "--explain").stdout.splitlines() == [
        "runtime: cpp",
        "because: main.c ends in .c",
        "compile: gcc -O2 -pthread -I. -o program main.c -lm",
        "run:     ./program",
    ]


def test_an_explanation_of_a_command_names_no_compiler(run_here: Callable[..., Result]) -> None:
    outcome = run_here("--explain", "--json", "--runtime=bash", "--", "touch 'a b'")
    assert json.loads(outcome.stdout) == {
        "runtime": "bash",
        "because": "the job names it",
        "entry": None,
        "compile": None,
        "run": """bash -c 'touch '"'"'a b'"'"''""",
    }


def test_an_explanation_names_the_file_that_starts(tmp_path: Path, run_here: Callable[..., Result]) -> None:
    (tmp_path / "a.py").touch()
    (tmp_path / "b.py").touch()
    outcome = run_here("--file", "a.py", "--file", "b.py", "--entry", "b.py", "--explain")
    assert outcome.stdout.splitlines() == [
        "runtime: python",
        "because: b.py ends in .py",
        "entry:   b.py",
        "run:     python3 b.py",
    ]


def test_what_is_explained_is_not_run(tmp_path: Path, run_here: Callable[..., Result]) -> None:
    assert run_here("--explain", "--runtime=bash", "--", f"touch {tmp_path}/ran").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_compilers_complaint_is_shown_with_its_own_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Callable[..., Result]
) -> None:
    (tmp_path / "runtimes.toml").write_text(CATALOGUE)
    (tmp_path / "x.slow").touch()
    monkeypatch.setenv("CELLBLOCK_RUNTIMES", str(tmp_path / "runtimes.toml"))
    outcome = run_here("--file", "x.slow")
    assert (outcome.exit_code, outcome.stdout) == (9, "")
    assert outcome.stderr.startswith("x.slow is nonsense\n")


def test_as_json_the_result_is_printed_whole_and_nothing_is_shown_twice(
    run_here: Callable[..., Result],
) -> None:
    outcome = run_here("--json", "--runtime=bash", "--", "echo out; exit 4")
    assert (outcome.exit_code, outcome.stderr) == (4, "")
    assert json.loads(outcome.stdout)["stdout"] == "out\n"


def test_no_cell_is_kept_warm_for_one_job(
    run_here: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_WARM", "4")
    monkeypatch.setenv("ENABLE_DOCKER", "true")
    monkeypatch.setenv("CELLBLOCK_DOCKER_HOST", "unix:///nonexistent/docker.sock")
    before = threading.active_count()
    assert run_here("--explain", "--runtime=bash", "--", "true").exit_code == 0
    assert threading.active_count() == before


CATALOGUE = """
[slow]
image = "none"
extensions = [".slow"]
[[slow.start]]
files = ["*.slow"]
compile = ["sh", "-c", "echo $0 is nonsense >&2; exit 9", "{entry}"]
run = ["true"]
"""


def test_a_character_that_never_ends_is_shown_when_the_job_has() -> None:
    code, seen = on_a_terminal("run", "--", r"printf 'a\303'", **HOST)
    assert (code, seen.splitlines()[0].startswith("a\ufffd")) == (0, True)


def test_sigterm_ends_the_job_too_and_is_143() -> None:
    words = f"sleep 61.{os.getpid()}"
    command = [sys.executable, "-m", "cli", "run", "--timeout", "60", "--", words]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | HOST)
    wait_until(lambda: running(words), 20, "the job runs")
    process.send_signal(signal.SIGTERM)
    assert (process.wait(20), runs(words)) == (143, False)
