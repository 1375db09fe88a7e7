"""A job's own output: as it is into a file or a pipe, harmless on a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from cli.terminal import StreamText

__all__ = ["Outputs"]

_STREAMS = ("stdout", "stderr")


class Outputs:
    """Writes what a job wrote to its outputs to our own, at once.

    Byte by byte, but for a terminal: there, unless `raw`, what would act on it is shown as an escape.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self._texts = {name: StreamText() for name in _STREAMS if _target(name).isatty() and not raw}

    def write(self, name: str, data: bytes, *, final: bool = False) -> None:
        """The next bytes of `stdout` or `stderr`; after the `final` ones comes nothing more."""
        target, text = _target(name), self._texts.get(name)
        if text:
            shown = text.feed(data, final=final)
            data = shown.encode(target.encoding or "utf-8", "backslashreplace")
        target.buffer.write(data)
        target.flush()

    def end(self) -> None:
        """The job is over: show what was held back as the beginning of a character."""
        for name in _STREAMS:
            self.write(name, b"", final=True)


def _target(name: str) -> TextIO:
    return sys.stdout if name == "stdout" else sys.stderr
