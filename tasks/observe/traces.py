"""Sends OpenTelemetry traces of the jobs, if CELLBLOCK_TRACES asks for them. They need the extra `otel`."""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from config import InvalidSetting
from tasks.process import process_state
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

__all__ = ["add_laps", "check_traces", "send_traces"]

_FACTS = ("runtime", "status", "container", "image", "warm", "attempt")
_LAPS = ("acquire", "run", "collect")


def check_traces(**_: object) -> None:
    """Check that traces can be sent, if the operator wants them.

    Raises:
        InvalidSetting: OpenTelemetry is not installed.
    """
    if this_settings().traces != "off" and find_spec("opentelemetry.instrumentation.celery") is None:
        raise InvalidSetting("CELLBLOCK_TRACES needs OpenTelemetry. Try: pip install 'cellblock[otel]'")


def send_traces(worker: str) -> TracerProvider:
    """Trace the tasks of this process from now on, in the name of `worker`.

    The caller is to shut the provider down in the end. That sends the spans that have not been sent yet.
    """
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    os.environ.setdefault("OTEL_SERVICE_NAME", "cellblock")
    provider = TracerProvider(resource=Resource.create({"service.instance.id": worker}))
    provider.add_span_processor(_span_processor())
    CeleryInstrumentor().instrument(  # type: ignore[no-untyped-call]
        tracer_provider=provider
    )
    return provider


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


def add_laps(result: Mapping[str, Any], **_: object) -> None:
    """Add a span for each lap under the task's span. Their times are computed back from now."""
    from opentelemetry import trace

    span = trace.get_current_span()
    span.set_attributes({f"cellblock.{name}": result[name] for name in _FACTS if result[name] is not None})
    tracer = trace.get_tracer("cellblock", tracer_provider=process_state.tracer_provider)
    laps_ns = {name: int(result["timings"][name] * 1e9) for name in _LAPS}
    moment = time.time_ns() - sum(laps_ns.values())
    for name, lap_ns in laps_ns.items():
        lap = tracer.start_span(name, start_time=moment)
        moment += lap_ns
        lap.end(end_time=moment)
