"""Reports the metrics of a job from its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["count_result"]

_LAPS = ("queued", "acquire", "run", "collect")


def count_result(result: Mapping[str, Any]) -> None:
    """Report all metrics of one job in one datagram."""
    meter.report(_told_by(result))


def _told_by(result: Mapping[str, Any]) -> Iterator[meter.Measurement]:
    runtime = {"runtime": result["runtime"]}
    ending = runtime | {"status": result["status"]}
    yield "cellblock_jobs_total", 1, ending | {"warm": str(result["warm"]).lower()}
    for lap in _LAPS:
        yield f"cellblock_job_{lap}_seconds", result["timings"][lap], ending
    if result["cpu_seconds"] is not None:
        yield "cellblock_job_cpu_seconds_total", result["cpu_seconds"], runtime
    for stream in ("stdout", "stderr"):
        if result[f"{stream}_truncated"]:
            yield "cellblock_output_truncations_total", 1, runtime | {"stream": stream}
