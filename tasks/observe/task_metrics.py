"""Counts how tasks end, and serves the sums if the operator has set CELLBLOCK_METRICS_PORT."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from celery.worker import state

from config import InvalidSetting
from sandbox import SandboxUnavailable, meter
from tasks._app import app
from tasks.observe.queue_depth import QueueDepth
from tasks.process import process_state
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.observe.exporter import ServedMetrics

__all__ = [
    "count_attempt",
    "count_failure",
    "count_result",
    "count_retry",
    "count_success",
    "samples_of",
    "serve_metrics",
]

_LAPS = ("queued", "acquire", "run", "collect")


def samples_of(worker: Any, queue_depth: QueueDepth) -> Iterator[meter.Measurement]:  # noqa: ANN401  Celery's own
    """What is looked up at each scrape: the current state of a worker's main process and of its queues."""
    yield "cellblock_jobs_in_flight", len(state.active_requests), {}
    processes = getattr(getattr(worker, "pool", None), "num_processes", None)
    if processes is not None:
        yield "cellblock_processes", processes, {}
    yield "cellblock_engine_up", float(process_state.engine_gate.trouble is None), {}
    alive = process_state.keeper_is_alive()
    if alive is not None:
        yield "cellblock_keeper_up", float(alive), {}
    yield from queue_depth.measure()


def serve_metrics(worker: Any, address: str, port: int) -> ServedMetrics:  # noqa: ANN401
    """Serve the metrics of this worker, and have this process and those that it starts report to them.

    Raises:
        InvalidSetting: nothing can be served on this address and port.
    """
    from tasks.observe.exporter import Exporter, ServedMetrics

    queue_depth = QueueDepth(app, this_settings().queues.split(","))
    try:
        exporter = Exporter(address, port, partial(samples_of, worker, queue_depth))
    except OSError as error:
        raise InvalidSetting(
            f"metrics cannot be served on {address}:{port}: {error.strerror}."
            " Try: another CELLBLOCK_METRICS_PORT for each worker of this host."
        ) from error
    meter.report_to(exporter.far)
    return ServedMetrics(exporter, queue_depth)


def count_attempt(**_: object) -> None:
    """A process has begun a task."""
    meter.measure("cellblock_attempts_total")


def count_success(result: Mapping[str, Any], **_: object) -> None:
    """A task has returned `result`."""
    count_result(result)


def count_retry(reason: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """A task is to run again because of the error in `reason`."""
    error = reason.exc
    meter.report([("cellblock_retries_total", 1, _name(error)), *_engine_error(error)])


def count_failure(exception: BaseException, **_: object) -> None:
    """A task has failed with `exception`."""
    meter.report([("cellblock_failures_total", 1, _name(exception)), *_engine_error(exception)])
    # A job with `check=True` has a result like any other.
    if result := getattr(exception, "result", None):
        count_result(result)


def _engine_error(error: BaseException) -> Iterator[meter.Measurement]:
    if isinstance(error, SandboxUnavailable):
        yield "cellblock_engine_errors_total", 1, {"where": "job"} | _name(error)


def _name(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__}


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
