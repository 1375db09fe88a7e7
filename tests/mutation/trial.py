"""Tries one fault with the tests that run its line."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.mutation.remains import remove_remains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.mutation.mutants import Mutant

__all__ = ["Outcome", "Verdict", "attempt"]

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_START_S = 60.0


class Outcome(StrEnum):
    """The possible results of a fault."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    NO_TEST = "no test"
    UNRELIABLE = "a test that also fails without it"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a fault, and the test that noticed it."""

    outcome: Outcome
    test: str = ""


def attempt(mutant: Mutant, tree: Path, tests: Sequence[str], usual_s: float) -> Verdict:
    """Make the fault in the copy, run the tests there, and restore the file.

    A test that has failed is run again without the fault. If it fails again, it has not noticed the fault.
    """
    if not tests:
        return Verdict(Outcome.NO_TEST)
    file = tree / mutant.path
    sound = file.read_text()
    file.write_text(mutant.source())
    try:
        verdict = _verdict(tree, tests, 3 * usual_s + _START_S)
    finally:
        file.write_text(sound)
    failed = next((test for test in tests if verdict.test and test.startswith(verdict.test)), None)
    if failed and _verdict(tree, [failed], 3 * usual_s + _START_S).outcome is not Outcome.SURVIVED:
        return Verdict(Outcome.UNRELIABLE, failed)
    return verdict


def _verdict(tree: Path, tests: Sequence[str], within_s: float) -> Verdict:
    owner = f"test-{secrets.token_hex(6)}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--no-header",
        "--tb=no",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    env = os.environ | {"TEST_OWNER": owner, "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [*command, *tests],
        cwd=tree,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        return Verdict(Outcome.NOTICED, "a test that hangs")
    finally:
        _kill_group(process)
        remove_remains(owner)
    if process.returncode == 0:
        return Verdict(Outcome.SURVIVED)
    failed = _FAILED.search(output)
    return Verdict(Outcome.NOTICED, failed[1] if failed else output.strip().rpartition("\n")[2][:100])


def _kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.communicate()
