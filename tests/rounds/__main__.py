"""Runs the rounds, and names each test that has failed in one. The exit code is 1 if there is any.

python -m tests.rounds [ROUNDS] [ARGUMENT OF PYTEST, SUCH AS A FOLDER…]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_PYTEST = (sys.executable, "-m", "pytest", "-q")
_TIMED = ("--collect-only", "-p", "tests.rounds.plugin", "-m", "not alone")
_SIDE_BY_SIDE = ("--tb=short", "-n", "3", "--max-worker-restart=0", "--dist", "loadfile")
_FAILED = re.compile(r"^(?:FAILED|ERROR) .*", re.MULTILINE)


def main() -> int:
    """Run as many rounds as were asked for, and say after each how it went."""
    rounds, *arguments = sys.argv[1:] or ["100"]
    tests, failures = _timed_tests(arguments), 0
    with _busy_cores():
        for number in range(1, int(rounds) + 1):
            began = time.monotonic()
            failed = _failures_of_round(tests)
            failures += len(failed)
            took_s = time.monotonic() - began
            print(f"round {number}: {len(failed)} of {len(tests)} tests failed, {took_s:.0f} s", flush=True)
    return bool(failures)


def _timed_tests(arguments: Sequence[str]) -> list[str]:
    listed = subprocess.run([*_PYTEST, *_TIMED, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if "::" in line]


def _failures_of_round(tests: Sequence[str]) -> list[str]:
    done = subprocess.run([*_PYTEST, *_SIDE_BY_SIDE, *tests], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stdout)
    return _FAILED.findall(done.stdout) or ["pytest"] * bool(done.returncode)


@contextmanager
def _busy_cores() -> Iterator[None]:
    """Keep each core busy with a process of its own."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
