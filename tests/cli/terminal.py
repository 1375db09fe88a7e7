"""A terminal for tests, which records what a command sends to it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.programs import ROOT

__all__ = ["on_a_terminal"]


def on_a_terminal(*arguments: str, cwd: str | None = None, **settings: str) -> tuple[int, str]:
    """Run the `cellblock` command on a terminal. Returns its exit code, and all that it sent there."""
    ours, theirs = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(ROOT), "CELLBLOCK_PULL": "never", "TERM": "xterm"} | settings
    command = [sys.executable, "-m", "cli", *arguments]
    process = subprocess.Popen(command, cwd=cwd or ROOT, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    sent = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return process.wait(60), sent.decode(errors="surrogateescape").replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """The next bytes; none when the other end is closed."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
