"""Runs the API in this process, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from typing import TYPE_CHECKING

import uvicorn

from api.application import application
from api.callers import Callers
from api.connection import Connection
from api.listening import MOST_CONNECTIONS, address_of, listen, reason_of, set_up_log, tokens_for
from api.metrics import Metrics
from api.traces import tracing
from config import InvalidSetting
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp

__all__ = ["serve"]

_log = logging.getLogger("cellblock.api")

# A stream takes two descriptors, one of them for Redis.
_DESCRIPTORS = 2 * MOST_CONNECTIONS + 512
_GRACE_S = 10


def serve(host: str, port: int) -> None:
    """Serve the API at this address. Returns after SIGTERM or SIGINT.

    Raises:
        InvalidSetting: the tokens can't be read, or there are none and others can reach the address; or it
            can't be listened on.
    """
    this_catalogue()
    set_up_log()
    callers = Callers(tokens_for(host))
    _allow_descriptors()
    closing, metrics = asyncio.Event(), Metrics()
    _serve_metrics(metrics)
    with tracing() as traced, listen(host, port, "--port") as listener:
        server = _Server(_config(application(callers, closing, metrics, traced)), closing)
        _log.info("Listening on %s", address_of(host, listener))
        # Else uvicorn ends this process by the signal that it got, and nothing after this line runs.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        server.run([listener])


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which also ends streams and waits when it is told to stop."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT."""
        super().handle_exit(sig, frame)
        self._closing.set()


def _serve_metrics(metrics: Metrics) -> None:
    settings = this_settings()
    if settings.metrics_port is None:
        return
    try:
        metrics.serve(settings.metrics_port, settings.metrics_address)
    except OSError as error:
        port = settings.metrics_port
        raise InvalidSetting(
            f"CELLBLOCK_METRICS_PORT={port}: {reason_of(error)}. Try: another port"
        ) from None


def _allow_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
