"""Eight processes use one pool. Each job marks its cell, and fails if the cell already has a mark."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.caller import Caller
from benchmarks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_stress"]

_CLAIMERS = 8
_CELLS = 20
_MARK = "test ! -e /workspace/mark && test ! -e /tmp/mark && touch /workspace/mark /tmp/mark"


def measure_stress(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Send all jobs of eight processes at once. A job that finds a mark ends the run with an error."""
    jobs = _CLAIMERS * scale.stress_jobs
    options = (f"--concurrency={_CLAIMERS}",)
    with around.worker("stress", *options, CELLBLOCK_WARM=f"0,bash={_CELLS}") as worker:
        around.wait_warm(worker, _CELLS)
        caller, started, results = Caller(worker.broker_url), time.perf_counter(), []
        for number, sent in enumerate([caller.send(_MARK) for _ in range(jobs)]):
            say(f"stress: {number} of {jobs} jobs")
            results.append(caller.receive(sent))
        taken_s = time.perf_counter() - started
        caller.close()
        around.wait_warm(worker, _CELLS, used={result["container"] for result in results})
    containers = {result["container"] for result in results}
    warm = sum(result["warm"] for result in results)
    rows = [
        ("jobs", str(jobs)),
        ("cells that they ran in", str(len(containers))),
        ("of these, warm", str(warm)),
        ("marks of another job found", "0"),
        ("cells left", "0"),
        ("jobs/s", f"{jobs / taken_s:.1f}"),
    ]
    raw = {"jobs": jobs, "cells": len(containers), "warm": warm, "seconds": round(taken_s, 1)}
    return Finding(
        "stress", f"{_CLAIMERS} claimers on one pool of {_CELLS} cells", ("what", "count"), rows, raw
    )
