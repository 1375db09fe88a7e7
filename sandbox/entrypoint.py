"""Finds the commands that start a job's files, for a job that gives no `cmd`."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.globs import compile_glob
from config.quoting import named
from config.runtimes import fill_memory
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from config import Runtime
    from config.runtimes import Start

__all__ = ["Stages", "plan_start"]

# The most files that a message names.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Stages:
    """The argument lists of the two stages; without a compiler the first is empty."""

    compile: tuple[str, ...]
    run: tuple[str, ...]

    def for_memory(self, compile_bytes: int, run_bytes: int) -> Stages:
        """A copy with the memory of each stage's cell filled in."""
        return Stages(
            tuple(fill_memory(word, compile_bytes) for word in self.compile),
            tuple(fill_memory(word, run_bytes) for word in self.run),
        )


def plan_start(runtime: Runtime, files: Collection[str]) -> Stages:
    """The commands that the catalogue gives for these files.

    Raises:
        InvalidJob: the runtime can start none of the files, or several without a clear first choice.
    """
    for start in runtime.start:
        matches = [_matching(pattern, files) for pattern in start.files]
        if any(matches):
            return _fill(start, matches)
    patterns = ", ".join(pattern for start in runtime.start for pattern in start.files)
    raise InvalidJob(f"With no cmd, the runtime {runtime.name!r} needs one of these in files: {patterns}.")


def _matching(pattern: str, files: Collection[str]) -> list[str]:
    expression = compile_glob(pattern)
    return sorted(path for path in files if expression.fullmatch(path))


def _fill(start: Start, matches: Sequence[list[str]]) -> Stages:
    first = next(found for found in matches if found)
    words = (*start.compile, *start.run)
    if len(first) > 1 and ("{entry}" in words or "{class}" in words):
        several = ", ".join(map(named, first[:_NAMED])) + (", …" if len(first) > _NAMED else "")
        raise InvalidJob(f"With no cmd, any of these could be the one to start: {several}. Give a cmd.")
    every = sorted({path for found in matches for path in found})
    return Stages(*(tuple(_words(argv, first[0], every)) for argv in (start.compile, start.run)))


def _words(argv: Sequence[str], entry: str, every: Sequence[str]) -> Iterator[str]:
    for word in argv:
        if word == "{all}":
            yield from map(_safe, every)
        else:
            yield word.replace("{entry}", _safe(entry)).replace("{class}", _class_name(entry))


def _safe(path: str) -> str:
    """The path, written so that a program does not take it for an option."""
    return f"./{path}" if path.startswith("-") else path


def _class_name(path: str) -> str:
    return posixpath.splitext(path)[0].replace("/", ".")
