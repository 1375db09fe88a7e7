"""A worker that a test may kill, freeze and start again."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from tests.preloaded import Running, start

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ChaosWorker"]

_STOP_S = 90.0
_ABORT_S = 5.0


@dataclass(slots=True)
class ChaosWorker:
    """A worker called `name`. `log_file` has the logs of all its runs."""

    name: str
    settings: dict[str, str]
    log_file: Path
    options: tuple[str, ...] = ("--concurrency=2",)
    program: tuple[str, ...] = ("cli", "worker")
    #: The exit codes of the runs that ended without being killed.
    ended_by_itself: list[int] = field(default_factory=list, init=False)
    _process: Running | None = field(default=None, init=False)
    _killed: bool = field(default=False, init=False)

    @property
    def hostname(self) -> str:
        """The worker's name in results and in the labels of its cells."""
        return f"{self.name}@chaos"

    @property
    def is_alive(self) -> bool:
        """Whether the main process exists, even if it is frozen."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether the worker has logged that it is ready, in any of its runs."""
        return self.log_file.exists() and " ready." in self.log()

    def log(self) -> str:
        """Everything that it has logged so far."""
        return self.log_file.read_text(errors="replace")

    def start(self) -> None:
        """Start it unless it is alive, without waiting until it is ready."""
        if self.is_alive:
            return
        module, *words = self.program
        env = os.environ | {"CELLBLOCK_PULL": "never", "PYTHONFAULTHANDLER": "1"} | self.settings
        self._killed = False
        with self.log_file.open("ab") as log:
            self._process = start(
                module, *words, "--hostname", self.hostname, *self.options, env=env, output=log
            )

    def revive(self) -> None:
        """Start it again if it ended without being killed, as a service manager does."""
        if self._process is not None and not self._killed and not self.is_alive:
            self.ended_by_itself.append(self._process.wait())
            self.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        if self._process is not None and self.is_alive:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the main process with SIGKILL."""
        if self._process is not None:
            self._killed = True
            self._process.kill()
            self._process.wait()

    def stop(self) -> int | None:
        """Stop it with SIGTERM. Returns the exit code, or None if it had to be killed."""
        if self._process is None:
            return None
        self.send(signal.SIGCONT)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_STOP_S)
        # At this signal Python writes the stack of each thread to the log.
        self._process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ABORT_S)
        self.kill()
        return None

    def pool(self) -> list[psutil.Process]:
        """The processes that run jobs. They are forked, so their command line is that of the main process."""
        return [child for child, line in self._children() if "sandbox.warm.keeper" not in line]

    def keepers(self) -> list[psutil.Process]:
        """The keeper of the warm cells, if there is one."""
        return [child for child, line in self._children() if "sandbox.warm.keeper" in line]

    def _children(self) -> list[tuple[psutil.Process, list[str]]]:
        found: list[tuple[psutil.Process, list[str]]] = []
        if self._process is not None and self.is_alive:
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(self._process.pid).children()
                found.extend((child, child.cmdline()) for child in children)
        return found
