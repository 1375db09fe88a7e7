"""Sends twenty jobs at once to a pool of twenty warm cells, and times how long the pool takes to refill."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.caller import Caller
from benchmarks.finding import Finding
from benchmarks.samples import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders import Workers
    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_burst"]

_WARM_UPS = 1


def measure_burst(
    around: Surroundings, workers: Workers, scale: Scale, say: Callable[[str], None]
) -> Finding:
    """Send one burst after another, each to a full pool."""
    jobs, caller = workers.warm_cells, Caller(workers.warm.broker_url)
    answered, refilled, warm = [], [], 0
    try:
        for number in range(-_WARM_UPS, scale.bursts):
            say(f"burst {max(number, 0) + 1} of {scale.bursts}")
            around.wait_warm(workers.warm, jobs)
            started = time.perf_counter()
            results = [caller.receive(sent) for sent in [caller.send() for _ in range(jobs)]]
            answered_s = time.perf_counter() - started
            around.wait_warm(workers.warm, jobs, used={result["container"] for result in results})
            if number >= 0:
                answered.append(answered_s)
                refilled.append(time.perf_counter() - started - answered_s)
                warm += sum(result["warm"] for result in results)
    finally:
        caller.close()
    last, full = spread(answered), spread(refilled)
    return Finding(
        "burst",
        f"A burst of {jobs} jobs on a full pool of {jobs}, through Celery",
        ("what", "p50 ms", "slowest ms", "bursts"),
        [
            ("until the last result", f"{last.p50_ms:.0f}", f"{last.p99_ms:.0f}", str(last.count)),
            (
                "from there until the pool is full",
                f"{full.p50_ms:.0f}",
                f"{full.p99_ms:.0f}",
                str(full.count),
            ),
        ],
        {"answered": last.to_dict(), "refilled": full.to_dict(), "warm": warm, "of": jobs * scale.bursts},
        notes=[f"{warm} of {jobs * scale.bursts} jobs ran in a warm cell."],
    )
