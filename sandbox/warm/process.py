"""Starts and stops a keeper beside a worker."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["KeeperProcess"]


class KeeperProcess:
    """A keeper and the folder that its socket lies in, which nobody else may enter.

    It ends when its standard input does, so that it never outlives the worker, however that one ends.
    """

    def __init__(self, worker: str, bound_s: float) -> None:
        self._bound_s = bound_s
        self._folder = tempfile.TemporaryDirectory(prefix="cellblock-keeper-", ignore_cleanup_errors=True)
        self.path = str(Path(self._folder.name, "socket"))
        command = [sys.executable, "-m", "sandbox.warm.keeper", self.path, worker]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def stop(self) -> None:
        """Have it take its cells away, and wait for that, as long as the engine may need."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(2 * self._bound_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
