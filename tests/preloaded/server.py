"""Imports libraries once, and becomes a new process for each request.

    python -m tests.preloaded.server SOCKET

A request is a message on a connection of its own, with four descriptors: a file that says what to run, and
the three standard streams. The answers are the number of the process, then how it ended.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Server"]

# Most of what the commands import. What is missing here is only imported later.
_LIBRARIES = (
    "asyncio",
    "billiard.pool",
    "celery.app.trace",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.events.state",
    "celery.worker.autoscale",
    "celery.worker.consumer",
    "docker",
    "fastapi",
    "jsonschema",
    "kombu.transport.redis",
    "mcp.server.lowlevel",
    "mcp.server.stdio",
    "prometheus_client",
    "psutil",
    "pydantic_settings",
    "redis.asyncio",
    "rich",
    "typer",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.h11_impl",
)


class Server:
    """Takes requests until its standard input ends."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # It has its name once it listens: whoever finds it before would be refused.
        self._listener.bind(f"{path}.new")
        self._listener.listen(64)
        Path(f"{path}.new").rename(path)
        self._wake, self._ended = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._running: dict[int, socket.socket] = {}

    def serve(self) -> bool:
        """Start a process for each request. Returns whether this is such a process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._ended)
        while True:
            ready, _, _ = select.select([sys.stdin, self._listener, self._wake], [], [])
            if sys.stdin in ready:
                return False
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._tell_ends()
            if self._listener in ready and self._start(self._listener.accept()[0]):
                return True

    def _tell_ends(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._running.pop(pid) as asker:
                _say(asker, os.waitstatus_to_exitcode(status))

    def _start(self, asker: socket.socket) -> bool:
        _, descriptors, _, _ = socket.recv_fds(asker, 1, 4)
        pid = os.fork()
        if pid == 0:
            self._forget(asker)
            _become(descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        self._running[pid] = asker
        _say(asker, pid)
        return False

    def _forget(self, asker: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self._wake)
        os.close(self._ended)
        for connection in (self._listener, asker, *self._running.values()):
            connection.close()


def _say(asker: socket.socket, number: int) -> None:
    with suppress(OSError):  # who asked is gone, as after a test that was cut short
        asker.send(b"%d" % number)


def _become(descriptors: list[int]) -> None:
    """Make this process what a new interpreter would be: streams, folder, environment, arguments."""
    about, *streams = descriptors
    for stream, descriptor in enumerate(streams):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    with os.fdopen(about, encoding="utf-8") as file:
        wanted: dict[str, Any] = json.load(file)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = wanted["argv"]
    sys.path[:1] = _first_places()
    sys.stdin, sys.stdout, sys.stderr = _opened(sys.stdin), _opened(sys.stdout), _opened(sys.stderr)
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()


def _first_places() -> list[str]:
    """Where an interpreter that was started with `-m` looks for modules first."""
    here = [] if os.environ.get("PYTHONSAFEPATH") else [str(Path.cwd())]
    return here + [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]


def _opened(old: Any) -> Any:
    number = old.fileno()
    by_line = 1 if old is sys.stderr or os.isatty(number) else -1
    return os.fdopen(number, old.mode, by_line, old.encoding, old.errors, closefd=False)


if __name__ == "__main__":
    for name in _LIBRARIES:
        importlib.import_module(name)
    # The processes share what is never collected.
    gc.collect()
    gc.freeze()
    if Server(sys.argv[1]).serve():
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
