"""A span for each request, if CELLBLOCK_TRACES asks for them. The spans of a job belong to the same trace."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from api.metrics import method_of, route_of
from tasks.observe.traces import check_traces, send_traces
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["tracing"]


@contextmanager
def tracing() -> Iterator[Callable[[ASGIApp], ASGIApp]]:
    """The middleware that traces requests, which does nothing if traces are off. At the end, spans are sent.

    Raises:
        InvalidSetting: OpenTelemetry is not installed.
    """
    check_traces()
    if this_settings().traces == "off":
        yield lambda app: app
        return
    provider = send_traces(f"api@{socket.gethostname()}")
    try:
        tracer = provider.get_tracer("cellblock")
        yield lambda app: _traced(app, tracer)
    finally:
        provider.shutdown()


def _traced(app: ASGIApp, tracer: Any) -> ASGIApp:  # noqa: ANN401  of an extra that may be missing
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        parent = extract(Headers(scope=scope))
        with tracer.start_as_current_span(method_of(scope), context=parent, kind=SpanKind.SERVER) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.update_name(f"{method_of(scope)} {route_of(scope)}")
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await app(scope, receive, noted)

    return traced
