"""Counts how tasks end and serves the sums, if the operator has set CELLBLOCK_METRICS_PORT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery.worker import state

from config import InvalidSetting
from sandbox import SandboxUnavailable, meter
from tasks.observe.result_metrics import count_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tasks.engine_gate import EngineGate
    from tasks.observe.exporter import Exporter
    from tasks.observe.queue_depth import QueueDepth

__all__ = [
    "ServedMetrics",
    "WorkerSamples",
    "count_attempt",
    "count_failure",
    "count_retry",
    "count_success",
    "serve_metrics",
]


@dataclass(frozen=True, slots=True)
class WorkerSamples:
    """What is looked up at each scrape: the state of a worker's main process and of its queues."""

    worker: Any
    engine_gate: EngineGate
    keeper_is_alive: Callable[[], bool | None]
    queue_depth: QueueDepth

    def take(self) -> Iterator[meter.Measurement]:
        """The current values."""
        yield "cellblock_jobs_in_flight", len(state.active_requests), {}
        processes = getattr(getattr(self.worker, "pool", None), "num_processes", None)
        if processes is not None:
            yield "cellblock_processes", processes, {}
        yield "cellblock_engine_up", float(self.engine_gate.trouble is None), {}
        alive = self.keeper_is_alive()
        if alive is not None:
            yield "cellblock_keeper_up", float(alive), {}
        yield from self.queue_depth.measure()


@dataclass(frozen=True, slots=True)
class ServedMetrics:
    """The metrics of a worker, while they are served. The processes of the worker report to them."""

    exporter: Exporter
    queue_depth: QueueDepth

    def close(self) -> None:
        """Stop serving."""
        meter.report_to(None)
        self.exporter.close()
        self.queue_depth.close()


def serve_metrics(address: str, port: int, samples: WorkerSamples) -> ServedMetrics:
    """Serve the metrics of this worker, and have this process and those that it starts report to them.

    Raises:
        InvalidSetting: nothing can be served on this address and port.
    """
    from tasks.observe.exporter import Exporter

    try:
        exporter = Exporter(address, port, samples.take)
    except OSError as error:
        raise InvalidSetting(
            f"metrics cannot be served on {address}:{port}: {error.strerror}."
            " Try: another CELLBLOCK_METRICS_PORT for each worker of this host."
        ) from error
    meter.report_to(exporter.far)
    return ServedMetrics(exporter, samples.queue_depth)


def count_attempt() -> None:
    """A process has begun a task."""
    meter.measure("cellblock_attempts_total")


def count_success(result: Mapping[str, Any]) -> None:
    """A task has returned `result`."""
    count_result(result)


def count_retry(error: BaseException) -> None:
    """A task is to run again because of `error`."""
    meter.report([("cellblock_retries_total", 1, _name(error)), *_engine_error(error)])


def count_failure(error: BaseException) -> None:
    """A task has failed with `error`."""
    meter.report([("cellblock_failures_total", 1, _name(error)), *_engine_error(error)])
    # A job with `check=True` has a result like any other.
    if result := getattr(error, "result", None):
        count_result(result)


def _engine_error(error: BaseException) -> Iterator[meter.Measurement]:
    if isinstance(error, SandboxUnavailable):
        yield "cellblock_engine_errors_total", 1, {"where": "job"} | _name(error)


def _name(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__}
