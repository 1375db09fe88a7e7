"""Writes a job's output: unchanged into a file or a pipe, escaped on a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from cli.terminal import StreamText

__all__ = ["STREAMS", "Outputs"]

#: The outputs of a job, by name.
STREAMS = ("stdout", "stderr")


class Outputs:
    """Copies a job's outputs to our own, at once.

    Bytes are unchanged, except on a terminal. There, unless `raw`, what controls it is shown as an escape.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self._texts = {name: StreamText() for name in STREAMS if _target(name).isatty() and not raw}

    def write(self, name: str, data: bytes, *, final: bool = False) -> None:
        """Write the next bytes of `stdout` or `stderr`; the last ones, if `final`."""
        target, text = _target(name), self._texts.get(name)
        if text:
            shown = text.feed(data, final=final)
            data = shown.encode(target.encoding or "utf-8", "backslashreplace")
        target.buffer.write(data)
        target.flush()

    def end(self) -> None:
        """The job is over: show an incomplete character that was held back."""
        for name in STREAMS:
            self.write(name, b"", final=True)


def _target(name: str) -> TextIO:
    return sys.stdout if name == "stdout" else sys.stderr
