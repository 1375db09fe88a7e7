"""One way to run `echo hi` that is compared with others."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.surroundings import BenchError

if TYPE_CHECKING:
    from benchmarks.caller import Answer

__all__ = ["Contender", "timed"]


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Contender:
    """One way to run. `once` returns the seconds of one run; `prepare` runs before it and is not measured.

    Each round has `times` runs. A `slow` contender takes part only in the first `slow_rounds` rounds.
    """

    name: str
    once: Callable[[], float]
    prepare: Callable[[], None] = _nothing
    times: int = 1
    slow: bool = False
    isolation: str = ""
    answers: list[Answer] = field(default_factory=list)


def timed(command: list[str]) -> float:
    """The seconds of a command that must print hi.

    Raises:
        BenchError: it printed something else.
    """
    started = time.perf_counter()
    # With a pipe as its input, because crun changes the owner of each stream, even of the host's /dev/null.
    done = subprocess.run(command, check=False, capture_output=True, input=b"")
    seconds = time.perf_counter() - started
    if done.returncode or done.stdout != b"hi\n":
        raise BenchError(f"{command[0]} gave a wrong answer: {done.stdout!r} {done.stderr[-200:]!r}")
    return seconds
