"""Measures what a workspace adds to a job: it is unpacked before the job, and stored after it."""

from __future__ import annotations

import base64
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.caller import Caller
from benchmarks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_workspace"]

_BYTES = 1 << 20
_STEP = "echo done >>log"
# Until the cell of the job before is gone.
_PAUSE_S = 0.3
_ENGINES = {"Docker": None, "crun": "crun"}


def measure_workspace(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Time jobs without and with a workspace of 1 MB, in turn, through Celery in cold cells."""
    taken: dict[str, dict[str, list[float]]] = {}
    for name, oci_runtime in _ENGINES.items():
        say(f"workspace: {name}")
        with around.worker(f"workspace-{name}", "--concurrency=1", oci_runtime=oci_runtime) as worker:
            caller = Caller(worker.broker_url)
            taken[name] = _times(caller, scale.rounds)
            caller.close()
    rows = [_row(name, times) for name, times in taken.items()]
    header = ("cells", "a job, p50 ms", "on a workspace of 1 MB, which is kept", "adds ms")
    return Finding("workspace", "Workspaces", header, rows, taken)


def _times(caller: Caller, rounds: int) -> dict[str, list[float]]:
    content = {"base64": base64.b64encode(os.urandom(_BYTES)).decode()}
    made = caller.receive(caller.send("true", files={"content": content}, keep_workspace=True))
    found: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(rounds):
        found["without"].append(_timed(caller)[0])
        seconds, made = _timed(caller, made["workspace"])
        found["with"].append(seconds)
    return found


def _timed(caller: Caller, workspace: str | None = None) -> tuple[float, dict[str, Any]]:
    request: dict[str, Any] = {"workspace": workspace, "keep_workspace": True} if workspace else {}
    time.sleep(_PAUSE_S)
    started = time.perf_counter()
    result = caller.receive(caller.send(_STEP, **request))
    return time.perf_counter() - started, result


def _row(name: str, times: dict[str, list[float]]) -> tuple[str, ...]:
    without, kept = ([1000 * seconds for seconds in times[how]] for how in ("without", "with"))
    adds = statistics.median(more - less for less, more in zip(without, kept, strict=True))
    return name, f"{statistics.median(without):.0f}", f"{statistics.median(kept):.0f}", f"{adds:.0f}"
