"""Measures whether later jobs cost more than the first: rate, processor time and memory by number of jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.caller import Caller
from benchmarks.finding import Finding
from benchmarks.processes import cpu_of_engine, cpu_of_tree, pss, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders import Workers
    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["measure_growth"]


def measure_growth(
    around: Surroundings, workers: Workers, scale: Scale, say: Callable[[str], None]
) -> Finding:
    """For each size: send that many jobs at once, and wait for all results."""
    host = [_backlog(workers.host, "host mode", jobs, say) for jobs in scale.host_jobs]
    cells = []
    for jobs in scale.cell_jobs:
        around.wait_calm(workers.warm, workers.warm_cells)
        cells.append(_backlog(workers.warm, "cells, pool on", jobs, say))
    found = host + cells
    rows = [
        (
            one["what"],
            f"{one['jobs']:,}",
            f"{one['jobs_per_s']:.1f}",
            f"{one['worker_cpu_ms']:.1f}",
            f"{one['engine_cpu_ms']:.1f}" if one["engine_cpu_ms"] else "",
            f"{one['worker_mib_before']:.0f} → {one['worker_mib']:.0f}",
        )
        for one in found
    ]
    return Finding(
        "growth",
        "A backlog of `true`, sent at once",
        ("what", "jobs", "jobs/s", "CPU ms/job, worker", "CPU ms/job, engine", "worker MiB before → after"),
        rows,
        found,
        notes=["Worker memory is the PSS of the worker with its pool processes and keeper, in this order."],
    )


def _backlog(worker: Worker, what: str, jobs: int, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"growth: {jobs} jobs, {what}")
    caller, pid = Caller(worker.broker_url), worker.process.pid
    try:
        before, memory = (cpu_of_tree(pid), cpu_of_engine()), _memory(pid)
        started = time.perf_counter()
        sent = [caller.send("true") for _ in range(jobs)]
        for one in sent:
            caller.receive(one)
        seconds = time.perf_counter() - started
        after = (cpu_of_tree(pid), cpu_of_engine())
    finally:
        caller.close()
    in_cells = "cells" in what
    return {
        "what": what,
        "jobs": jobs,
        "jobs_per_s": round(jobs / seconds, 2),
        "worker_cpu_ms": round((after[0] - before[0]) / jobs * 1000, 2),
        "engine_cpu_ms": round((after[1] - before[1]) / jobs * 1000, 2) if in_cells else None,
        "worker_mib_before": round(memory / (1 << 20), 1),
        "worker_mib": round(_memory(pid) / (1 << 20), 1),
    }


def _memory(pid: int) -> int:
    return sum(pss(process.pid) for process in tree(pid))
