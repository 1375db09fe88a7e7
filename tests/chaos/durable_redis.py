"""A Redis server that keeps everything that it has acknowledged, so that it can be killed and restarted."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.programs import free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DurableRedis", "Fsync"]

#: Redis's `appendfsync`. With `everysec` Redis itself may lose two seconds of writes on a slow disk.
Fsync = Literal["always", "everysec"]

_START_S = 30.0
_CALL_S = 2.0


class DurableRedis:
    """A server with an append-only file in `folder`. A context."""

    def __init__(self, folder: Path, fsync: Fsync = "always") -> None:
        self.port = free_port()
        self._folder = folder
        self.fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        wait_until(self.answers, _START_S, "the private Redis answers")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server, without waiting until it answers."""
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--dir": str(self._folder)}
        options |= {"--appendonly": "yes", "--appendfsync": self.fsync, "--maxmemory-policy": "noeviction"}
        words = [word for option in options.items() for word in option]
        program = shutil.which("redis-server") or "redis-server"
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *words], stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def answers(self) -> bool:
        """Whether the server is up and has read its file."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def client(self) -> redis.Redis:
        """A direct connection to the server, without a proxy."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=_CALL_S, retry=once)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """A context in which the server refuses writes, because its memory is full."""
        with self.client() as client:
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                # A server that was killed and restarted meanwhile no longer has this setting.
                with suppress(redis.ConnectionError, redis.TimeoutError):
                    client.config_set("maxmemory", 0)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """A context in which the server is read-only, because it follows a primary that doesn't exist."""
        with self.client() as client:
            client.replicaof("127.0.0.1", str(free_port()))
            try:
                yield
            finally:
                client.replicaof("NO", "ONE")

    def reset_connections(self) -> None:
        """Make the server close the connections of all other clients."""
        with self.client() as client:
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)
