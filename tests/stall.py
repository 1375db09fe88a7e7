"""Ends a test run in which nothing happens, and reports where. Not every stuck process obeys a timeout."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.waiting import PATIENCE

__all__ = ["Stall"]

#: Longer than any test of the suite with its clean-up.
_BOUND_S = 420.0 * PATIENCE
_TOLD = ("State", "SigBlk", "SigCgt", "SigPnd", "ShdPnd")


class Stall:
    """A plugin of pytest-xdist's main process. It ends processes without progress with SIGABRT.

    Such a process writes the stack of each of its threads, and its test fails as crashed.
    """

    def __init__(self, bound_s: float = _BOUND_S) -> None:
        self._bound_s = bound_s
        self._moved = time.monotonic()
        self._running: set[str] = set()
        self._over = threading.Event()
        self._stalled = False

    def pytest_sessionstart(self) -> None:
        """Check from time to time, until the run ends."""
        threading.Thread(target=self._look, daemon=True).start()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stop the checks. If a process was ended, the run fails, even if its test was reported as passed."""
        self._over.set()
        if self._stalled:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test has begun."""
        self._moved = time.monotonic()
        self._running.add(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note that a test has ended."""
        self._moved = time.monotonic()
        self._running.discard(nodeid)

    def _look(self) -> None:
        while not self._over.wait(self._bound_s / 20):
            if time.monotonic() - self._moved > self._bound_s:
                self._moved, self._stalled = time.monotonic(), True
                self._end()

    def _end(self) -> None:
        _say(f"\nNo test has begun or ended for {self._bound_s:.0f} s. These run: {sorted(self._running)}\n")
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, OSError):
                _say(_about(process))
        for process in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGABRT)
                process.send_signal(signal.SIGCONT)


def _about(process: psutil.Process) -> str:
    """The command, the signal masks, and the kernel function that the process waits in."""
    folder = Path(f"/proc/{process.pid}")
    lines = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    told = " ".join(f"{name}={lines[name].strip()}" for name in _TOLD)
    command = " ".join(process.cmdline())[-120:]
    return f"{process.pid} of {process.ppid()}: {told} {(folder / 'wchan').read_text()} {command!r}\n"


def _say(words: str) -> None:
    sys.__stderr__.write(words)  # type: ignore[union-attr]
    sys.__stderr__.flush()  # type: ignore[union-attr]
