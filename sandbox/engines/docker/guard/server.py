"""Listens for workers, and serves each of their connections."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11

from config import load_catalogue
from sandbox.engines.docker.client import docker_address
from sandbox.engines.docker.guard.connection import Connection
from sandbox.engines.docker.guard.engine import GuardedEngine
from sandbox.engines.docker.guard.judge import Judge
from sandbox.engines.docker.guard.link import READ_BYTES, Link

if TYPE_CHECKING:
    from config import Settings

__all__ = ["serve"]

_log = logging.getLogger("cellblock.guard")


async def serve(settings: Settings, address: str) -> None:
    """Serve clients at `address` (`tcp://HOST:PORT` or `unix://PATH`) until SIGTERM or SIGINT.

    These signals break every connection.
    """
    engine = GuardedEngine(docker_address(settings), settings.engine_margin)
    judge = Judge(settings, load_catalogue(settings.runtimes), engine)

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _keep_alive(writer)
        # When the loop ends, it cancels the tasks of open connections, and would log that as an error.
        with suppress(asyncio.CancelledError):
            await Connection(Link(h11.SERVER, reader, writer), engine, judge).serve()

    parts = urlsplit(address)
    if parts.scheme == "unix":
        server = await asyncio.start_unix_server(welcome, parts.path, limit=READ_BYTES)
    else:
        server = await asyncio.start_server(welcome, parts.hostname, parts.port, limit=READ_BYTES)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _log.info("Guarding the engine at %s, for the deployment %r", docker_address(settings), settings.owner)
    async with server:
        await stop.wait()
    await engine.close()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """End connections whose host has gone. Otherwise they would stay open for ever."""
    connection = writer.get_extra_info("socket")
    if connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
