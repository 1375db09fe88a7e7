"""The units of systemd, as systemd itself reads them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from config import load_settings
from tests.conftest import unavailable
from tests.programs import ROOT

UNITS = ROOT / "deploy" / "systemd"


@pytest.fixture
def service() -> dict[str, str]:
    """The settings of the worker's service."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "cellblock@.service")
    return dict(parser["Service"])


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        unavailable("There is no systemd-analyze. Try: apt-get install systemd")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/cellblock/.venv", str(Path(sys.prefix)))
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stop_is_given_as_long_as_a_worker_may_need(service: dict[str, str]) -> None:
    assert int(service["TimeoutStopSec"]) >= load_settings().stop_s


def test_sigterm_goes_to_the_worker_alone(service: dict[str, str]) -> None:
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")


def test_the_folders_of_the_engine_are_those_that_systemd_makes(service: dict[str, str]) -> None:
    variables = dict(word.split("=") for word in service["Environment"].split())
    assert variables["CELLBLOCK_STATE"] == f"%t/{service['RuntimeDirectory']}"
    assert variables["CELLBLOCK_STORE"] == f"%S/{service['StateDirectory']}"


def test_a_cell_that_runs_out_of_memory_does_not_stop_its_worker(service: dict[str, str]) -> None:
    assert (service["Delegate"], service["OOMPolicy"]) == ("yes", "continue")
