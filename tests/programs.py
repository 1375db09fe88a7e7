"""Starts real programs for tests: a private Redis, workers, Flower and the command line."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import redis

from tests.preloaded import Running, run, start
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ROOT",
    "Worker",
    "await_output",
    "children",
    "free_port",
    "has_ended",
    "is_ours",
    "run_cli",
    "running",
    "running_flower",
    "running_redis",
    "running_worker",
    "runs",
]

ROOT = Path(__file__).parents[1]

_ORIGINAL = ("ENABLE_DOCKER", "DOCKER_TIMEOUT", "DOCKER_MEMORY_LIMIT", "DOCKER_CPU_LIMIT")
# A worker without other workers need not wait for their answers at its start.
_QUIET = "--without-gossip --without-mingle"
_START_S = 30.0
_STOP_S = 30.0


def is_ours(variable: str) -> bool:
    """Whether an environment variable is one of cellblock's settings."""
    return variable.startswith("CELLBLOCK_") or variable.removesuffix("_FILE") in _ORIGINAL


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run a Redis server that stores nothing on disk. Gives its URL without a database."""
    program, port = shutil.which("redis-server") or "redis-server", free_port()
    options = {"--port": str(port), "--bind": "127.0.0.1", "--save": "", "--dir": str(folder)}
    arguments = [word for option in options.items() for word in option]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([program, *arguments, "--databases", "2000"], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port), _START_S, "the private Redis answers")
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_STOP_S)


def _answers(port: int) -> bool:
    client = redis.Redis(port=port)
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker, its broker and its log."""

    process: Running
    broker_url: str
    log_file: Path

    @property
    def pool(self) -> list[psutil.Process]:
        """The processes that run jobs. The worker's other child is the keeper."""
        keepers = self.keepers
        return [child for child in psutil.Process(self.process.pid).children() if child not in keepers]

    @property
    def keepers(self) -> list[psutil.Process]:
        """The keeper of the warm cells, if there is one."""
        return children(self.process.pid, "sandbox.warm.keeper")

    def await_registration(self) -> None:
        """Wait until it is on the register of Redis: a moment after it has said that it is ready."""
        with redis.Redis.from_url(self.broker_url) as client:
            wait_until(lambda: client.exists("cellblock.consumers"), _START_S, "the worker is registered")

    def log(self) -> str:
        """Everything that it has logged so far."""
        return self.log_file.read_text()


@contextmanager
def running_worker(
    folder: Path,
    broker_url: str,
    *options: str,
    program: str = f"cli worker {_QUIET}",
    **settings: str,
) -> Iterator[Worker]:
    """Run a worker, given once it is ready. SIGTERM must end it at the end, unless the test has killed it."""
    log_file = folder / f"worker-{secrets.token_hex(4)}.log"
    module, *words = program.split()
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url, "CELLBLOCK_PULL": "never"} | settings
    with log_file.open("wb") as log:
        process = start(module, *words, *options, env=env, output=log)
    worker = Worker(process, broker_url, log_file)
    try:
        wait_until(lambda: " ready." in worker.log() or process.poll() is not None, _START_S, "worker is up")
        assert process.poll() is None, worker.log()
        yield worker
    finally:
        process.terminate()
        process.wait(_STOP_S)
    assert process.returncode in (0, -signal.SIGKILL), worker.log()


@contextmanager
def running_flower(folder: Path, broker_url: str, login: str) -> Iterator[str]:
    """Run Flower with this login. Gives its host and port once it is connected to the broker."""
    port, log = free_port(), folder / "flower.log"
    command = [sys.executable, "-m", "cli", "flower", "--address=127.0.0.1", f"--port={port}"]
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url, "CELLBLOCK_FLOWER_BASIC_AUTH": login}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        wait_until(
            lambda: "Connected to" in log.read_text() or process.poll() is not None, _START_S, "Flower"
        )
        assert process.poll() is None, log.read_text()
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_STOP_S)


def run_cli(
    *arguments: str, stdin: str = "", cwd: Path | str = ROOT, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the `cellblock` command to its end."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "CELLBLOCK_PULL": "never"} | settings
    return run("cli", *arguments, env=env, text=stdin, cwd=cwd, within_s=60)


def await_output(broker_url: str, task_id: str) -> None:
    """Wait until its worker has heard what a job with live output has written: that is in Redis then."""
    with redis.Redis.from_url(broker_url) as client:
        # The first entry says that the job starts.
        wait_until(lambda: client.xlen(f"cellblock.live:{task_id}") > 1, 10, "its output is heard")


def unique_sleep(seconds: int) -> str:
    """A command that sleeps this long plus a random fraction, so that its command line is unique."""
    return f"sleep {seconds}.{secrets.randbelow(10**9):09}"


def running(command: str) -> list[psutil.Process]:
    """The processes of this host with exactly this command line, including processes in cells."""
    every = psutil.process_iter(["cmdline"])
    return [process for process in every if " ".join(process.info["cmdline"] or ()) == command]


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, whether or not its parent knows it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


def children(parent: int, words: str) -> list[psutil.Process]:
    """The children of a process that have `words` in their command line."""
    every = [one for one in psutil.process_iter(["ppid", "cmdline"]) if one.info["ppid"] == parent]
    return [child for child in every if words in " ".join(child.info["cmdline"] or ())]


def runs(words: str) -> bool:
    """Whether any process of this host has `words` in its command line, including processes in cells."""
    lines = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return any(words in line for line in lines)
