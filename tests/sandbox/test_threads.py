"""The death of a thread is always logged."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from sandbox import threads
from sandbox.threads import dead_threads, start_thread
from tests.programs import ROOT


def fail() -> None:
    raise LookupError("what nobody expected")


@pytest.fixture(autouse=True)
def _no_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_dead", [])


@pytest.mark.parametrize(("lasting", "remembered"), [(True, ["one"]), (False, [])])
def test_a_thread_that_dies_is_logged_and_a_lasting_one_is_remembered(
    caplog: pytest.LogCaptureFixture, *, lasting: bool, remembered: list[str]
) -> None:
    start_thread(fail, name="one", lasting=lasting).join()
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.CRITICAL, "The thread one has died")
    assert dead_threads() == remembered


def test_a_thread_that_ends_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    start_thread(print, "", name="one").join()
    assert (caplog.records, dead_threads()) == ([], [])


@pytest.mark.parametrize(("lasting", "code"), [(True, 70), (False, 0)])
def test_a_process_that_needs_its_threads_ends_with_a_lasting_one(*, lasting: bool, code: int) -> None:
    program = (
        "from sandbox.threads import end_with_threads, start_thread\n"
        "end_with_threads()\n"
        f"start_thread(lambda: 1 / 0, name='one', lasting={lasting}).join()\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (outcome.returncode, "The thread one has died" in outcome.stderr) == (code, True)
