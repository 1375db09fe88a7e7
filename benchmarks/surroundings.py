"""Starts what a run needs and stops it at the end: a private Redis and workers. Also watches their cells."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import docker
import redis

from benchmarks.oci_host import OciHost
from config import Settings, load_settings
from config.variables import OLD_NAMES, variable_of
from sandbox.engines.docker.client import connect

__all__ = ["ROOT", "BenchError", "Surroundings", "Worker", "wait_until"]

ROOT = Path(__file__).parents[1]

_START_S = 60.0
_STOP_S = 60.0
_FULL_S = 60.0
_GONE_S = 60.0
# Longer than a used cell may still exist.
_CALM_S = 0.7


class BenchError(RuntimeError):
    """The benchmark can't continue. The message says why."""


def wait_until(there: Callable[[], Any], within_s: float, what: str) -> None:
    """Wait until `there` returns something true.

    Raises:
        BenchError: it did not do so within `within_s` seconds.
    """
    until = time.monotonic() + within_s
    while not there():
        if time.monotonic() > until:
            raise BenchError(f"Not within {within_s:g} s: {what}")
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker, and the owner in the labels of its cells."""

    process: subprocess.Popen[bytes]
    broker_url: str
    owner: str


@dataclass(slots=True)
class Surroundings:
    """Everything that one run has started. A context: at its end all is stopped, and no cell may be left."""

    run: str = field(default_factory=lambda: f"bench-{secrets.token_hex(4)}")
    _stack: ExitStack = field(default_factory=ExitStack)
    _databases: int = 0
    engine: docker.APIClient = field(init=False)
    folder: Path = field(init=False)
    oci: OciHost = field(init=False)
    redis_url: str = field(init=False)

    def __enter__(self) -> Self:
        _forget_settings()
        self.engine = connect(load_settings())
        self._stack.callback(self.engine.close)
        self._stack.callback(self._check_nothing_left)
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cellblock-bench-"))
        self.folder = Path(folder)
        self.oci = OciHost(self.folder, self.engine)
        self._stack.callback(self.oci.remove_rest, self.run)
        self.redis_url = self._stack.enter_context(self.private_redis())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def settings(self, name: str, **overrides: object) -> Settings:
        """Settings for cells of this process, with an owner of their own."""
        owner = f"{self.run}-{re.sub('[^a-z]+', '-', name.lower())}"
        return load_settings(owner=owner, pull="never", **overrides)

    def new_database(self) -> str:
        """The URL of an unused database of the private Redis."""
        self._databases += 1
        return f"{self.redis_url}/{self._databases}"

    @contextmanager
    def private_redis(self) -> Iterator[str]:
        """A Redis server that stores nothing on disk. Gives its URL without a database."""
        program = shutil.which("redis-server")
        if program is None:
            raise BenchError("There is no redis-server. Try: apt-get install redis-server")
        port = _free_port()
        options = {"--port": str(port), "--bind": "127.0.0.1", "--save": "", "--dir": str(self.folder)}
        words = [word for option in options.items() for word in option]
        with _process([program, *words, "--databases", "64"], self.folder / f"redis-{port}.log"):
            wait_until(lambda: _answers(port), _START_S, "the private Redis answers")
            yield f"redis://127.0.0.1:{port}"

    @contextmanager
    def worker(
        self,
        name: str,
        *options: str,
        program: tuple[str, ...] = ("cli", "worker"),
        oci_runtime: str | None = None,
        **settings: str,
    ) -> Iterator[Worker]:
        """A worker, started as an operator starts it. Gives it once it is ready.

        With an `oci_runtime` its engine is `oci`, else Docker.
        """
        log, url, owner = self.folder / f"{name}.log", self.new_database(), f"{self.run}-{name}"
        ours = {"CELLBLOCK_BROKER_URL": url, "CELLBLOCK_OWNER": owner, "CELLBLOCK_PULL": "never"}
        engine = self.oci.variables(oci_runtime) if oci_runtime else {}
        env = os.environ | ours | engine | settings
        command = [sys.executable, "-m", *program, "--hostname", f"{name}@bench", *options]
        with _process(command, log, env) as process:
            wait_until(
                lambda: " ready." in log.read_text() or process.poll() is not None, _START_S, "a worker"
            )
            if process.poll() is not None:
                raise BenchError(f"The worker {name!r} did not start:\n{log.read_text()}")
            yield Worker(process, url, owner)

    def wait_warm(self, worker: Worker, cells: int, used: Collection[str] = ()) -> None:
        """Wait until the worker has this many warm cells, and none of the `used` ones exists any more."""

        def is_full() -> bool:
            states = self._cells(worker.owner)
            return list(states.values()) == ["running"] * cells and states.keys().isdisjoint(used)

        wait_until(is_full, _FULL_S, f"{cells} warm cells wait")

    def wait_calm(self, worker: Worker, cells: int) -> None:
        """As `wait_warm` if the used cells are not known: wait until no cell has come or gone for a while."""
        since, names = time.monotonic(), set[str]()

        def is_calm() -> bool:
            nonlocal since, names
            states = self._cells(worker.owner)
            if set(states) != names or list(states.values()) != ["running"] * cells:
                since, names = time.monotonic(), set(states)
            return time.monotonic() > since + _CALM_S

        wait_until(is_calm, _FULL_S, f"{cells} warm cells wait, and nothing changes")

    def wait_gone(self, owner: str) -> None:
        """Wait until this owner has no cells with a job."""
        wait_until(lambda: not self._cells(owner, "job"), _GONE_S, "the cells are gone")

    def containers(self, owner: str) -> list[str]:
        """The names of this owner's containers."""
        return list(self._cells(owner))

    def _cells(self, owner: str, state: str = "") -> dict[str, str]:
        labels = [f"cellblock.owner={owner}", *([f"cellblock.state={state}"] if state else [])]
        found = self.engine.containers(all=True, filters={"label": labels})
        docker = {cell["Names"][0].removeprefix("/"): cell["State"] for cell in found}
        return docker | self.oci.cells(owner, state)

    def _check_nothing_left(self) -> None:
        def left() -> list[str]:
            found = self.engine.containers(all=True, filters={"label": "cellblock.owner"})
            return [cell["Id"] for cell in found if cell["Labels"]["cellblock.owner"].startswith(self.run)]

        wait_until(lambda: not left(), _GONE_S, "every container of this run is gone")


def _forget_settings() -> None:
    """Remove the user's settings, which would change the measurement; keep those that choose the engine."""
    kept = {"CELLBLOCK_DOCKER_HOST", "CELLBLOCK_OCI_RUNTIME"}
    plain = {variable_of(name, Settings.model_fields) for name in Settings.model_fields}
    for variable in {*plain, *OLD_NAMES} - kept:
        os.environ.pop(variable, None)
        os.environ.pop(f"{variable}_FILE", None)


@contextmanager
def _process(
    command: list[str], log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C goes only to this process, which then stops the others in order.
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    client = redis.Redis(port=port)
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
    finally:
        client.close()
