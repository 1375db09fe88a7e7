"""Decides how a job ended, from what the kernel, the engine and the worker saw."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.cell import KILLED
from sandbox.errors import CellLost
from sandbox.events import Usage
from sandbox.result import Limit, Status

if TYPE_CHECKING:
    from sandbox.capture import Capture
    from sandbox.job import Job
    from sandbox.watch import Ending

__all__ = ["Verdict", "judge"]

# Node's own version comes after its error.
_LINES = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part of a result that says how the job ended."""

    status: Status
    exit_code: int | None
    signal: str | None
    usage: Usage
    limit: Limit | None = None


def judge(ending: Ending, job: Job, stderr: Capture | None = None) -> Verdict:
    """The verdict on how a job ended.

    If the worker stopped the job, its reason is the status. Otherwise `out_of_memory` needs two things: the
    command failed, and the kernel counted a kill or the language's runtime got no memory, which it may have
    said at the end of `stderr` alone. A command may lose a child to the kernel, or catch the error of a full
    heap, and still succeed. A job that has used more than its CPU time has timed out, even if it ended before
    it could be stopped.

    Raises:
        CellLost: the cell was killed, but neither by the worker nor for its memory.
    """
    exit_code, by_signal, usage = _facts(ending)
    name = signal_name(exit_code) if by_signal else None
    spent = ending.cpu_spent or _has_spent(usage, job)
    if ending.stopped or spent:
        status = ending.stopped or Status.TIMED_OUT
    elif exit_code != 0 and (_ran_out_of_memory(ending, name, job) or _says_so(stderr, job)):
        status = Status.OUT_OF_MEMORY
    elif ending.report is None and exit_code == KILLED:
        raise CellLost("The cell was killed from outside, by somebody other than its worker.")
    elif exit_code == 0:
        status = Status.SUCCEEDED
    else:
        status = Status.SIGNALED if name else Status.FAILED
    spent_first = spent and status is Status.TIMED_OUT
    return Verdict(status, exit_code, name, usage, Limit.CPU_TIME if spent_first else Limit.behind(status))


def signal_name(exit_code: int | None) -> str | None:
    """The signal behind an exit code of 128 + its number, as a shell reports it."""
    if exit_code is None or exit_code <= 128:
        return None
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return None


def _facts(ending: Ending) -> tuple[int | None, bool, Usage]:
    """The exit code, whether a signal is behind it, and the usage."""
    if report := ending.report:
        return report.exit_code, report.by_signal, report.usage
    if evidence := ending.evidence:
        # Without a report nobody but the kernel has ended the cell, unless the supervisor gave up.
        return evidence.exit_code, evidence.exit_code == KILLED, evidence.usage
    return None, False, Usage()


def _has_spent(usage: Usage, job: Job) -> bool:
    limit_s = job.limits.cpu_time_s
    return limit_s is not None and usage.cpu_ns is not None and usage.cpu_ns >= limit_s * 1e9


def _ran_out_of_memory(ending: Ending, signal_name: str | None, job: Job) -> bool:
    """Whether the kernel, or the language's runtime, has noticed that the memory does not suffice.

    A program can forge the runtime's report. This turns `failed` or `signaled` into `out_of_memory`, and does
    nothing else.
    """
    if report := ending.report:
        aborted_full = signal_name == "SIGABRT" and job.runtime.is_full(
            report.usage.peak_bytes, job.limits.memory_bytes
        )
        return bool(report.usage.oom_kills) or report.heap_full or aborted_full
    return ending.evidence is not None and ending.evidence.out_of_memory


def _says_so(stderr: Capture | None, job: Job) -> bool:
    """Whether the language's runtime has ended with its own words for it. A program can say them, too."""
    return stderr is not None and job.runtime.says_full(stderr.last_lines(_LINES))
