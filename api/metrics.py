"""Counts requests, and serves the counts to Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server

from tasks.observe.exporter import make_family
from tasks.observe.metric_catalogue import API

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.budget import Open

__all__ = ["Metrics", "method_of", "route_of"]

_METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"}
_OTHER = "other"


class Metrics:
    """The metrics of one API process."""

    def __init__(self) -> None:
        # Else each counter has a second series with its creation time.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        made = {metric.name: make_family(metric, self._registry) for metric in API}
        self._requests = made["cellblock_api_requests_total"]
        self._seconds = made["cellblock_api_answer_seconds"]
        self._open = made["cellblock_api_open"]

    def watch(self, opened: Open) -> None:
        """Show how many streams and waits are open."""
        self._open.set_function(lambda: opened.total)

    def serve(self, port: int, address: str) -> None:
        """Serve the metrics from a thread, until the process ends.

        Raises:
            OSError: it can't listen there.
        """
        start_http_server(port, address, self._registry)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Count each request of `app`, and the time until its answer begins."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            began_s = time.perf_counter()

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._note(scope, message["status"], time.perf_counter() - began_s)
                await send(message)

            await app(scope, receive, noted if scope["type"] == "http" else send)

        return counted

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        about = {"method": method_of(scope), "route": route_of(scope)}
        self._requests.labels(**about, status=str(status)).inc()
        self._seconds.labels(**about).observe(seconds)


def method_of(scope: Scope) -> str:
    """The method of a request, if it is a usual one."""
    return scope["method"] if scope["method"] in _METHODS else _OTHER


def route_of(scope: Scope) -> str:
    """The address with `{id}` for ids, so that callers can't make as many labels as they like."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", _OTHER))
