"""Sends OpenTelemetry traces of the jobs, if CELLBLOCK_TRACES asks for them. They need the extra `otel`."""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from celery import signals

from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

__all__: list[str] = []

_FACTS = ("runtime", "status", "container", "image", "warm", "attempt")
_LAPS = ("acquire", "run", "collect")

_provider: TracerProvider | None = None


@signals.celeryd_init.connect
def _check(**_: object) -> None:
    if this_settings().traces != "off" and find_spec("opentelemetry.instrumentation.celery") is None:
        raise SystemExit(
            "cellblock: CELLBLOCK_TRACES needs OpenTelemetry. Try: pip install 'cellblock[otel]'"
        )


@signals.worker_process_init.connect
def _begin(sender: str | None = None, **_: object) -> None:
    """Called in each process that runs jobs, because the thread of an exporter does not survive a fork."""
    if this_settings().traces != "off" and _provider is None:
        _instrument(sender or "")


@signals.celeryd_after_setup.connect
def _begin_without_children(sender: str, instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    if not instance.pool_cls.__module__.endswith((".prefork", ".solo")):
        _begin(sender)


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def _end(**_: object) -> None:
    """Send the spans that have not been sent yet."""
    global _provider
    provider, _provider = _provider, None
    if provider:
        provider.shutdown()


def _instrument(worker: str) -> None:
    global _provider  # noqa: PLW0603
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    os.environ.setdefault("OTEL_SERVICE_NAME", "cellblock")
    _provider = TracerProvider(resource=Resource.create({"service.instance.id": worker}))
    _provider.add_span_processor(_span_processor())
    CeleryInstrumentor().instrument(  # type: ignore[no-untyped-call]
        tracer_provider=_provider
    )
    signals.task_success.connect(_trace_laps)


def _span_processor() -> SpanProcessor:
    from opentelemetry.sdk.trace import export

    if this_settings().traces == "console":
        # The real standard output: Celery has replaced `sys.stdout` with its log.
        exporter = export.ConsoleSpanExporter(
            out=sys.__stdout__ or sys.stdout, formatter=lambda span: f"{span.to_json(indent=None)}\n"
        )
        return export.SimpleSpanProcessor(exporter)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return export.BatchSpanProcessor(OTLPSpanExporter())


def _trace_laps(result: Mapping[str, Any], **_: object) -> None:
    """Add a span for each lap under the task's span. Their times are computed back from now."""
    from opentelemetry import trace

    span = trace.get_current_span()
    span.set_attributes({f"cellblock.{name}": result[name] for name in _FACTS if result[name] is not None})
    tracer = trace.get_tracer("cellblock", tracer_provider=_provider)
    laps_ns = {name: int(result["timings"][name] * 1e9) for name in _LAPS}
    moment = time.time_ns() - sum(laps_ns.values())
    for name, lap_ns in laps_ns.items():
        lap = tracer.start_span(name, start_time=moment)
        moment += lap_ns
        lap.end(end_time=moment)
