"""The report of a chaos run, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

__all__ = ["Report", "percentile"]

# What the project promises for a run with the default settings.
_RECOVERY_P95_S = 15.0
_AGAIN_AFTER_WORKER_DEATH_S = 30.0


@dataclass(slots=True)
class Report:
    """The counts; times are in seconds. The lists name each case, so that it can be examined."""

    seed: int
    jobs: int
    took_s: float
    engine: str
    fsync: str
    clock_off_s: int
    faults: dict[str, int]
    #: The job has no result, and no queue contains it.
    lost: list[str]
    #: The job has no result, but is still in a queue or among the unacknowledged messages.
    stuck: list[str]
    wrong: list[str]
    changed: list[str]
    #: A second cell started while the first one still ran.
    doubled: list[str]
    cells_left: list[str]
    #: Volumes; of the engine oci also control groups, mounts, ids, folders and processes.
    remains: list[str]
    keys_left: list[str]
    #: Workers that ended without being killed. The run starts them again, as a service manager does.
    workers_that_ended: list[str]
    workers_that_did_not_stop: list[str]
    sent_again: int
    run_again: int
    #: From each fault to the next result of any job.
    recovery_s: list[float]
    #: From a fault at one worker to that worker's next result.
    recovery_of_struck_s: list[float]
    #: From a worker's death to the next start, or the result, of each job that ran on it.
    again_after_death_s: list[float]
    #: The faults with the longest times to the next result.
    slowest: list[str]

    @property
    def is_good(self) -> bool:
        """Whether the run keeps what the project promises."""
        bad = (self.lost, self.stuck, self.wrong, self.changed, self.cells_left, self.remains)
        return (
            not any(bad)
            and percentile(self.recovery_s, 95) < _RECOVERY_P95_S
            and max(self.again_after_death_s, default=0.0) < _AGAIN_AFTER_WORKER_DEATH_S
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        summary = {
            "good": self.is_good,
            "recovery_p50_s": percentile(self.recovery_s, 50),
            "recovery_p95_s": percentile(self.recovery_s, 95),
        }
        return summary | asdict(self)

    def __str__(self) -> str:
        counts = (
            ("lost", self.lost),
            ("stuck", self.stuck),
            ("wrong status", self.wrong),
            ("changed after being set", self.changed),
            ("two cells at once", self.doubled),
            ("cells left", self.cells_left),
            ("remains of cells", self.remains),
            ("keys left for ever", self.keys_left),
            ("workers that ended by themselves", self.workers_that_ended),
            ("workers that did not stop", self.workers_that_did_not_stop),
        )
        struck = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        head = (
            f"Seed {self.seed}: {'good' if self.is_good else 'BAD'}, {self.jobs} jobs and"
            f" {sum(self.faults.values())} faults in {self.took_s:.0f} s"
            f" ({self.engine}, appendfsync {self.fsync}, one clock {self.clock_off_s:+d} s)"
        )
        lines = [
            head,
            f"  faults: {struck}",
            *(f"  {name}: {len(found)}" + "".join(f"\n    {one}" for one in found) for name, found in counts),
            f"  run again: {self.run_again}, sent again: {self.sent_again}",
            _times("a fault to the next result", self.recovery_s),
            _times("a fault at a worker to its own next result", self.recovery_of_struck_s),
            _times("a worker's death to its job running again", self.again_after_death_s),
            *(f"  slow: {one}" for one in self.slowest),
        ]
        return "\n".join(lines)


def percentile(values: list[float], percent: int) -> float:
    """A percentile, in the unit of the values; 0 if there are no values."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _times(what: str, values: list[float]) -> str:
    p50, p95 = percentile(values, 50), percentile(values, 95)
    return f"  {what}: p50 {p50:.1f} s, p95 {p95:.1f} s, most {max(values, default=0):.1f} s ({len(values)})"
