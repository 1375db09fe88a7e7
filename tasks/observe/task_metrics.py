"""Counts how tasks end and serves the sums, if the operator has set CELLBLOCK_METRICS_PORT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import signals
from celery.worker import state

from sandbox import SandboxUnavailable, meter
from tasks._app import app
from tasks.engine_gate import engine_gate
from tasks.observe.queue_depth import QueueDepth
from tasks.observe.result_metrics import count_result
from tasks.settings import this_settings
from tasks.worker import keeper_is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.observe.exporter import Exporter

__all__: list[str] = []

_exporter: Exporter | None = None
_queue_depth: QueueDepth | None = None
_worker: Any = None


@signals.celeryd_init.connect
def _open(instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Called before the keeper is started and the pool forks: both are to report here."""
    global _exporter, _queue_depth, _worker  # noqa: PLW0603
    settings = this_settings()
    if settings.metrics_port is None:
        return
    from tasks.observe.exporter import Exporter

    _worker, _queue_depth = instance, QueueDepth(app, settings.queues.split(","))
    try:
        _exporter = Exporter(settings.metrics_address, settings.metrics_port, _sample)
    except OSError as error:
        where = f"{settings.metrics_address}:{settings.metrics_port}"
        # Celery logs any other exception of a receiver and continues.
        raise SystemExit(
            f"cellblock: metrics cannot be served on {where}: {error.strerror}."
            " Try: another CELLBLOCK_METRICS_PORT for each worker of this host."
        ) from error
    meter.report_to(_exporter.far)
    _listen()


def _listen() -> None:
    signals.task_prerun.connect(_count_attempt)
    signals.task_success.connect(_count_success)
    signals.task_retry.connect(_count_retry)
    signals.task_failure.connect(_count_failure)


@signals.worker_process_init.connect
def _leave(**_: object) -> None:
    if _exporter:
        _exporter.leave()


@signals.worker_shutdown.connect
def _close(**_: object) -> None:
    global _exporter  # noqa: PLW0603
    if _exporter and _queue_depth:
        meter.report_to(None)
        _exporter.close()
        _queue_depth.close()
        _exporter = None


def _sample() -> Iterator[meter.Measurement]:
    yield "cellblock_jobs_in_flight", len(state.active_requests), {}
    processes = getattr(getattr(_worker, "pool", None), "num_processes", None)
    if processes is not None:
        yield "cellblock_processes", processes, {}
    yield "cellblock_engine_up", float(engine_gate.trouble is None), {}
    alive = keeper_is_alive()
    if alive is not None:
        yield "cellblock_keeper_up", float(alive), {}
    if _queue_depth:
        yield from _queue_depth.measure()


def _count_attempt(**_: object) -> None:
    meter.measure("cellblock_attempts_total")


def _count_success(result: Mapping[str, Any], **_: object) -> None:
    count_result(result)


def _count_retry(reason: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    meter.report([("cellblock_retries_total", 1, _name(reason.exc)), *_engine_error(reason.exc)])


def _count_failure(exception: BaseException, **_: object) -> None:
    meter.report([("cellblock_failures_total", 1, _name(exception)), *_engine_error(exception)])
    # A job with `check=True` has a result like any other.
    if result := getattr(exception, "result", None):
        count_result(result)


def _engine_error(error: BaseException) -> Iterator[meter.Measurement]:
    if isinstance(error, SandboxUnavailable):
        yield "cellblock_engine_errors_total", 1, {"where": "job"} | _name(error)


def _name(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__}
