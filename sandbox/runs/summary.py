"""What the result of a job says of all its runs together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.result import Status
from sandbox.runs.judge import is_accepted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.result import RunResult

__all__ = ["summary"]


def summary(results: Sequence[RunResult]) -> dict[str, Any]:
    """The keys of the job's result.

    Its status, exit code, signal and limit are those of the first run that did not succeed. Its verdict is
    that of the first run that was not accepted, so that "accepted" means all. Its usage is the sum, and the
    largest peak.
    """
    ended = next((one for one in results if one.status is not Status.SUCCEEDED), results[-1])
    judged = next((one for one in results if not is_accepted(one) or one.verdict is None), results[-1])
    used = [one.cpu_seconds for one in results if one.cpu_seconds is not None]
    peaks = [one.memory_peak for one in results if one.memory_peak is not None]
    return {
        "status": ended.status,
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "limit": ended.limit,
        "verdict": judged.verdict,
        "duration": round(sum(one.duration for one in results), 6),
        "cpu_seconds": round(sum(used), 6) if used else None,
        "memory_peak": max(peaks, default=None),
        "runs": list(results),
    }
