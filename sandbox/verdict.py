"""Decides how a job ended, from what the kernel, the engine and the worker saw."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import CellLost
from sandbox.events import Usage
from sandbox.result import Status

if TYPE_CHECKING:
    from sandbox.watch import Ending

__all__ = ["Verdict", "judge"]

_SIGKILL_CODE = 128 + signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part of a result that says how the job ended."""

    status: Status
    exit_code: int | None
    signal: str | None
    usage: Usage


def judge(ending: Ending) -> Verdict:
    """The verdict on an ending.

    If the worker stopped the job, its reason is the status. Otherwise `out_of_memory` needs two things: the
    kernel counted a kill, and the command failed. A command may lose a child to the kernel and still succeed.

    Raises:
        CellLost: the cell was killed, but neither by the worker nor for its memory.
    """
    exit_code, out_of_memory, usage = _facts(ending)
    name = signal_name(exit_code)
    if ending.stopped:
        status = ending.stopped
    elif out_of_memory and exit_code != 0:
        status = Status.OUT_OF_MEMORY
    elif ending.report is None and exit_code == _SIGKILL_CODE:
        raise CellLost("The cell was killed from outside, by somebody other than its worker.")
    elif exit_code == 0:
        status = Status.SUCCEEDED
    else:
        status = Status.SIGNALED if name else Status.FAILED
    return Verdict(status, exit_code, name, usage)


def signal_name(exit_code: int | None) -> str | None:
    """The signal behind an exit code of 128 + its number, as a shell reports it."""
    if exit_code is None or exit_code <= 128:
        return None
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return None


def _facts(ending: Ending) -> tuple[int | None, bool, Usage]:
    if ending.report:
        usage = ending.report.usage
        return ending.report.exit_code, bool(usage.oom_kills), usage
    if ending.evidence:
        evidence = ending.evidence
        return evidence.exit_code, evidence.out_of_memory, evidence.usage
    return None, False, Usage()
