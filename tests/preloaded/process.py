"""The tests' side: asks the server of this test process for a process, and is told how it ended."""

from __future__ import annotations

import atexit
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.preloaded.launcher import ask
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

__all__ = ["Process", "Running", "launcher", "run", "server_number", "start"]

_ROOT = Path(__file__).parents[2]
_START_S, _STOP_S = 60.0, 10.0
# They count before the first line of a program runs. What they change needs a new interpreter.
_OF_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_", "TZ")
# The server sees to these itself.
_OF_SERVER = (("PYTHONPATH", str(_ROOT)), ("PYTHONFAULTHANDLER", "1"))


class Process:
    """A process that the server has become. It has the part of `subprocess.Popen` that tests use."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self.returncode: int | None = None
        self.pid = self._answer()

    def poll(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it. None while it runs."""
        if self.returncode is None and select.select([self._asked], [], [], 0)[0]:
            self.returncode = self._answer()
            self._asked.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends.

        Raises:
            subprocess.TimeoutExpired: it has not ended after so many seconds.
        """
        if self.returncode is None and not select.select([self._asked], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _answer(self) -> int:
        said = self._asked.recv(32)
        assert said, "the server of processes is gone"
        return int(said)


#: What was started, with or without the server.
Running = Process | subprocess.Popen[bytes]


def launcher(module: str, *options: str) -> list[str]:
    """The words that start `python -m MODULE OPTION…`, for a program that does so itself."""
    if _needs_interpreter(os.environ):
        return [sys.executable, "-m", module, *options]
    program, place = Path(__file__).with_name("launcher.py"), _server().socket
    return [sys.executable, "-I", "-S", str(program), str(place), module, *options]


def start(
    module: str,
    *options: str,
    env: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes] | None = None,
    stdin: int | None = None,
    cwd: Path | str = _ROOT,
) -> Running:
    """Start `python -m MODULE OPTION…`. Without `errors` they go to the `output` too."""
    streams = (0 if stdin is None else stdin, output.fileno(), (errors or output).fileno())
    if _needs_interpreter(env):
        stdin, stdout, stderr = streams
        command = [sys.executable, "-m", module, *options]
        return subprocess.Popen(command, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    return Process(ask(str(_server().socket), (module, *options), env, str(cwd), streams))


def run(
    module: str,
    *options: str,
    env: Mapping[str, str],
    text: str = "",
    cwd: Path | str = _ROOT,
    within_s: float,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE OPTION…` with `text` as its input, until its end."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(text.encode())
        given.seek(0)
        process = start(
            module, *options, env=env, output=output, errors=errors, stdin=given.fileno(), cwd=cwd
        )
        try:
            code = process.wait(within_s)
        finally:
            process.kill()
        said = [_text(stream) for stream in (output, errors)]
    return subprocess.CompletedProcess([module, *options], code, *said)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode().replace("\r\n", "\n").replace("\r", "\n")


def server_number() -> int | None:
    """The number of this process's server, if there is one. What was started is a child of it."""
    return _server().process.pid if _server.cache_info().currsize else None


def _needs_interpreter(env: Mapping[str, str]) -> bool:
    """Whether a process of the server would be another one than a new interpreter with this environment."""
    is_measured = any(name.startswith("COVERAGE") for name in env)
    return is_measured or _of_interpreter(env) != _INHERITED


def _of_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in env.items()
        if name.startswith(_OF_INTERPRETER) and (name, value) not in _OF_SERVER
    }


# What the server has got.
_INHERITED = _of_interpreter(os.environ)


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    socket: Path

    def end(self) -> None:
        self.process.communicate(timeout=_STOP_S)
        shutil.rmtree(self.socket.parent)


@cache
def _server() -> _Server:
    """This process's server, which ends with it."""
    path = Path(tempfile.mkdtemp(prefix="cellblock-")) / "s"
    command = [sys.executable, "-m", "tests.preloaded.server", str(path)]
    # A terminal's Ctrl-C is for the tests alone: they end what they have started.
    process = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, env=os.environ, start_new_session=True
    )
    server = _Server(process, path)
    atexit.register(server.end)
    wait_until(path.is_socket, _START_S, "the server of processes listens")
    return server
