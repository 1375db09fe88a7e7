"""Makes the result of one run from how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.encoded import ENCODED_FACTOR
from sandbox.events import STDERR, STDOUT
from sandbox.result import Limit, RunResult, RunVerdict, Status

if TYPE_CHECKING:
    from sandbox.cell_run import Outcome
    from sandbox.runs.plan import PlannedRun, Runs

__all__ = ["is_accepted", "judge_run", "left_out"]


def judge_run(outcome: Outcome, run: PlannedRun, runs: Runs) -> RunResult:
    """The result of `run`. The whole of what it wrote counts for its verdict, even if less of it is kept."""
    out, err = outcome.captures[STDOUT], outcome.captures[STDERR]
    verdict, cpu_ns = outcome.verdict, outcome.verdict.usage.cpu_ns
    answer = None
    if run.expected is not None and verdict.status is Status.SUCCEEDED:
        right = not out.truncated and runs.comparison.matches(out.text(), run.expected)
        answer = RunVerdict.ACCEPTED if right else RunVerdict.WRONG_ANSWER
    stdout, stdout_cut = out.within(ENCODED_FACTOR * runs.kept_bytes)
    stderr, stderr_cut = err.within(ENCODED_FACTOR * runs.kept_bytes)
    return RunResult(
        name=run.name,
        status=verdict.status,
        verdict=answer,
        exit_code=verdict.exit_code,
        signal=verdict.signal,
        limit=verdict.limit,
        duration=round(outcome.duration_s, 6),
        cpu_seconds=None if cpu_ns is None else round(cpu_ns / 1e9, 6),
        memory_peak=verdict.usage.peak_bytes,
        stdout=stdout,
        stderr=stderr,
        stdout_bytes=out.total_bytes,
        stderr_bytes=err.total_bytes,
        stdout_truncated=stdout_cut,
        stderr_truncated=stderr_cut,
    )


def left_out(run: PlannedRun, status: Status) -> RunResult:
    """The result of a run that was not begun, because the job was stopped before."""
    return RunResult(name=run.name, status=status, limit=Limit.behind(status))


def is_accepted(result: RunResult) -> bool:
    """Whether a run succeeded, and wrote what was expected, if anything was."""
    return result.status is Status.SUCCEEDED and result.verdict is not RunVerdict.WRONG_ANSWER
