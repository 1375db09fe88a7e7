"""A Redis server that keeps what it has acknowledged, so that it can be killed and started again."""

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

#: Redis' own `appendfsync`. Under `everysec` Redis itself may lose two seconds when its disk is slow.
Fsync = Literal["always", "everysec"]

_START_S = 30.0
_CALL_S = 2.0


class DurableRedis:
    """A server in `folder`, with its append-only file. A context."""

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
        """Start it, and wait for nothing."""
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--dir": str(self._folder)}
        options |= {"--appendonly": "yes", "--appendfsync": self.fsync, "--maxmemory-policy": "noeviction"}
        words = [word for option in options.items() for word in option]
        program = shutil.which("redis-server") or "redis-server"
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *words], stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def answers(self) -> bool:
        """Whether it is up and has read its file."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def client(self) -> redis.Redis:
        """A connection to it that nothing stands in the way of."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=_CALL_S, retry=once)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """While in it, there is no room for anything more."""
        with self.client() as client:
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                # One that was killed meanwhile has forgotten it.
                with suppress(redis.ConnectionError, redis.TimeoutError):
                    client.config_set("maxmemory", 0)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """While in it, it follows a primary that is not there, as after a failover, with all that it has."""
        with self.client() as client:
            client.replicaof("127.0.0.1", str(free_port()))
            try:
                yield
            finally:
                client.replicaof("NO", "ONE")

    def reset_connections(self) -> None:
        """Have it close the connection of everybody else."""
        with self.client() as client:
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)
