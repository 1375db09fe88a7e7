"""Measures an idle worker: the memory of each warm cell, and the processor time."""

from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.processes import cell_pss, cpu_at_rest, pss, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_footprint"]

_CELLS = 12


def measure_footprint(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Measure an idle worker with twelve warm cells. No other worker of this run may exist at that time."""
    with around.worker("idle", "--concurrency=2", CELLBLOCK_WARM=f"0,bash={_CELLS}") as worker:
        around.wait_warm(worker, _CELLS)
        say("footprint: memory")
        memory = [cell_pss(around.engine, name) for name in around.containers(worker.owner)]
        pid = worker.process.pid
        processes = [pss(process.pid) for process in tree(pid)]
        say(f"footprint: {scale.idle_s:g} s of rest")
        before = (cpu_at_rest(pid), cpu_at_rest(None))
        threading.Event().wait(scale.idle_s)
        after = (cpu_at_rest(pid), cpu_at_rest(None))
    used = [
        sum(now[one] - then[one] for one in now.keys() & then.keys())
        for now, then in zip(after, before, strict=True)
    ]
    shares = [100 * seconds / scale.idle_s for seconds in used]
    shim, inside = (statistics.median(sizes) / (1 << 20) for sizes in zip(*memory, strict=True))
    whole = sum(processes) / (1 << 20)
    rows = [
        ("memory of a warm cell: the engine's shim", f"{shim:.1f} MiB"),
        ("memory of a warm cell: all that runs in it", f"{inside:.1f} MiB"),
        (f"memory of the worker, its keeper and pool ({len(processes)} processes)", f"{whole:.0f} MiB"),
        (f"idle, {_CELLS} warm cells, {scale.idle_s:g} s: worker and keeper", f"{shares[0]:.2f} % of a core"),
        (f"idle, {_CELLS} warm cells, {scale.idle_s:g} s: engine and cells", f"{shares[1]:.2f} % of a core"),
        ("idle, together", f"{sum(shares):.2f} % of a core"),
    ]
    raw = {
        "cell_mib": {"shim": round(shim, 2), "inside": round(inside, 2)},
        "worker_mib": round(whole, 1),
        "idle_percent": {"worker": round(shares[0], 3), "engine": round(shares[1], 3)},
        "idle_s": scale.idle_s,
        "cells": _CELLS,
    }
    notes = ["Memory is PSS. The kernel's own tables for a container's namespaces and mounts are not in it."]
    return Finding("footprint", "At rest", ("what", "how much"), rows, raw, notes=notes)
