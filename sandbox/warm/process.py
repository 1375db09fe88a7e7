"""Starts and stops a keeper beside a worker, and starts it again when it has died."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import meter
from sandbox.warm.sight import SIGHT, read_sight

if TYPE_CHECKING:
    from sandbox.warm.sight import Sight

__all__ = ["KeeperProcess"]

_log = logging.getLogger("cellblock.keeper")

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class KeeperProcess:
    """A keeper and the folder of its socket, which no other user can enter.

    The keeper ends when its standard input does. So it never outlives the worker, however the worker ends.

    Raises:
        OSError: the keeper can't be started.
    """

    def __init__(self, worker: str, bound_s: float) -> None:
        self._bound_s = bound_s
        self._folder = tempfile.TemporaryDirectory(prefix="cellblock-keeper-", ignore_cleanup_errors=True)
        self.path = str(Path(self._folder.name, "socket"))
        self._command = [sys.executable, "-m", "sandbox.warm.keeper", self.path, worker]
        self._pause_s = _FIRST_PAUSE_S
        self._due: float | None = None
        try:
            self._process = self._start()
        except OSError:
            self._folder.cleanup()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the keeper runs."""
        return self._process.poll() is None

    def sight(self) -> Sight | None:
        """The keeper's last look at the engine; None before the first."""
        return read_sight(Path(self._folder.name, SIGHT))

    def revive(self) -> None:
        """Start a dead keeper again, after a pause that grows each time. To be called regularly."""
        if self.is_alive:
            return
        if self._due is None:
            _log.error("The keeper has ended with %s and is started again", self._process.returncode)
            self._due = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if time.monotonic() >= self._due:
            self._due = None
            try:
                self._start_again()
            except OSError as error:
                _log.error("The keeper can't be started, and that is tried again: %s", error)

    def stop(self) -> None:
        """Have the keeper remove its cells and end. Kill it if that takes longer than twice `bound_s`."""
        if not self.is_alive:
            # A new one removes what the dead one left. It makes no cells of its own.
            self._start_again(CELLBLOCK_WARM="0")
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(2 * self._bound_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _start_again(self, **settings: str) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process = self._start(**settings)

    def _start(self, **settings: str) -> subprocess.Popen[bytes]:
        Path(self.path).parent.mkdir(mode=0o700, exist_ok=True)
        Path(self.path).unlink(missing_ok=True)
        collector = meter.descriptor()
        inherited = [] if collector is None else [collector]
        command = [*self._command, *map(str, inherited)]
        environment = os.environ | settings
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, pass_fds=inherited)
