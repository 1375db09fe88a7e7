"""Tries one fault with the tests that run its line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError, DockerException

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a fault, and the test that noticed it."""

    outcome: Outcome
    test: str = ""


def attempt(mutant: Mutant, tree: Path, tests: Sequence[str], usual_s: float) -> Verdict:
    """Make the fault in the copy, run the tests there, and restore the file."""
    if not tests:
        return Verdict(Outcome.NO_TEST)
    file = tree / mutant.path
    sound = file.read_text()
    file.write_text(mutant.source())
    owner = f"test-mutant-{tree.name}"
    try:
        return _verdict(tree, tests, 3 * usual_s + _START_S, owner)
    finally:
        file.write_text(sound)
        _remove_cells(owner)


def _verdict(tree: Path, tests: Sequence[str], within_s: float, owner: str) -> Verdict:
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
        # Kill all processes that the tests started and may have left because of the fault.
        _kill_group(process)
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


def _remove_cells(owner: str) -> None:
    try:
        client = docker.from_env()
    except DockerException:
        return
    for cell in client.containers.list(
        all=True, filters={"label": f"cellblock.owner={owner}"}, ignore_removed=True
    ):
        try:
            cell.remove(force=True)
        except APIError:
            continue
    client.close()
