"""Runs the API in this process, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from api.application import application
from api.callers import Callers
from api.connection import Connection
from api.metrics import Metrics
from api.tokens import TokenFile
from api.traces import tracing
from config import InvalidSetting
from sandbox.log_lines import log_formatter
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp

__all__ = ["serve"]

_log = logging.getLogger("cellblock.api")

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_MOST_CONNECTIONS = 2048
# A stream takes two descriptors, one of them for Redis.
_DESCRIPTORS = 2 * _MOST_CONNECTIONS + 512
_GRACE_S = 10


def serve(host: str, port: int) -> None:
    """Serve the API at this address. Returns after SIGTERM or SIGINT.

    Raises:
        InvalidSetting: the tokens can't be read, or there are none and others can reach the address; or it
            can't be listened on.
    """
    this_catalogue()
    _set_up_log()
    callers = Callers(_tokens(host))
    _allow_descriptors()
    closing, metrics = asyncio.Event(), Metrics()
    _serve_metrics(metrics)
    with tracing() as traced, _listening(host, port) as listener:
        server = _Server(_config(application(callers, closing, metrics, traced)), closing)
        _log.info(
            "Listening on http://%s:%d", f"[{host}]" if ":" in host else host, listener.getsockname()[1]
        )
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
        limit_concurrency=_MOST_CONNECTIONS,
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


def _tokens(host: str) -> TokenFile | None:
    path = this_settings().api_tokens_file
    if path is not None:
        return TokenFile(path)
    if host not in _LOOPBACK:
        raise InvalidSetting(
            f"CELLBLOCK_API_TOKENS_FILE is not set, and anyone who reaches {host} could run commands."
            " Try: a file with a line for each token and its tenant; or --host 127.0.0.1."
        )
    _log.warning("There are no tokens (CELLBLOCK_API_TOKENS_FILE): anyone on this machine may run commands")
    return None


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_MOST_CONNECTIONS)
    except OSError as error:
        raise InvalidSetting(f"--host {host} --port {port}: {_reason(error)}. Try: another port") from None


def _serve_metrics(metrics: Metrics) -> None:
    settings = this_settings()
    if settings.metrics_port is None:
        return
    try:
        metrics.serve(settings.metrics_port, settings.metrics_address)
    except OSError as error:
        port = settings.metrics_port
        raise InvalidSetting(f"CELLBLOCK_METRICS_PORT={port}: {_reason(error)}. Try: another port") from None


def _reason(error: OSError) -> str:
    """What the system says. `socket` adds the address to its sentence."""
    return os.strerror(error.errno) if error.errno else str(error)


def _allow_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _set_up_log() -> None:
    settings = this_settings()
    (handler := logging.StreamHandler()).setFormatter(log_formatter(settings.log_format))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
