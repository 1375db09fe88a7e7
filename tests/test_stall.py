"""A test run in which nothing happens is ended, and the report names the test."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_CONFTEST = """
from tests.stall import Stall
def pytest_configure(config):
    if config.getoption("numprocesses", None):
        # It also covers the start of the process, which takes seconds beside other tests.
        config.pluginmanager.register(Stall(bound_s=8))
"""
_TEST = """
import os, signal
def test_that_stands_still():
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stalled(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_one.py").write_text(_TEST)
    command = [sys.executable, "-m", "pytest", "-n", "1", "--max-worker-restart=0", "-p", "no:cacheprovider"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_run_whose_process_is_frozen_is_ended_and_names_its_test(
    stalled: subprocess.CompletedProcess[str],
) -> None:
    assert stalled.returncode == pytest.ExitCode.TESTS_FAILED, stalled.stdout
    assert "These run: ['test_one.py::test_that_stands_still']" in stalled.stderr
    assert "State=T (stopped)" in stalled.stderr
