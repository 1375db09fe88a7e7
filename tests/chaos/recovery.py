"""How long it took until jobs ended again after a fault, in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.chaos.cell_log import CellStart
    from tests.chaos.results import Outcome
    from tests.chaos.striker import Strike

__all__ = ["after_each", "after_each_struck", "again_after_death", "slowest"]

Outcomes = Mapping[str, "Outcome"]


def after_each(strikes: Iterable[Strike], outcomes: Outcomes) -> list[float]:
    """From each fault to the next result of any job."""
    times = sorted(outcome.at for outcome in outcomes.values())
    return _lags((strike.at, times) for strike in strikes)


def slowest(strikes: Sequence[Strike], outcomes: Outcomes, most: int = 5) -> list[str]:
    """The faults with the longest times to the next result, with these times."""
    lags = [(lag, strike) for strike in strikes for lag in after_each([strike], outcomes)]
    worst = sorted(lags, key=lambda pair: -pair[0])[:most]
    return [f"{lag:.1f} s after {strike.kind} at {strike.worker or 'all'}" for lag, strike in worst]


def after_each_struck(strikes: Iterable[Strike], outcomes: Outcomes) -> list[float]:
    """From each fault at one worker to the next result of that worker, including repair and restart."""
    by_worker: dict[str, list[float]] = {}
    for outcome in sorted(outcomes.values(), key=lambda outcome: outcome.at):
        if isinstance(outcome.answer, Mapping):
            by_worker.setdefault(outcome.answer.get("worker", ""), []).append(outcome.at)
    return _lags((strike.at, by_worker.get(strike.worker, [])) for strike in strikes if strike.worker)


def again_after_death(
    strikes: Iterable[Strike], outcomes: Outcomes, starts: Sequence[CellStart]
) -> list[float]:
    """From a worker's death to the next start of each job that ran there, or to the job's result."""
    lags = []
    for strike in strikes:
        for job_id in strike.ran:
            times = [start.at for start in starts if start.job_id == job_id]
            times += [outcomes[job_id].at] if job_id in outcomes else []
            lags += _lags([(strike.at, sorted(times))])
    return lags


def _lags(pairs: Iterable[tuple[float, list[float]]]) -> list[float]:
    """From each moment to the first later time. A moment without a later time is left out."""
    firsts = ((since, next((at for at in times if at > since), None)) for since, times in pairs)
    return [round(at - since, 3) for since, at in firsts if at is not None]
