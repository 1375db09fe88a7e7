# Made by `python docs/generate.py` from sandbox/runs/comparison.py. Change it there.
"""Compares what a run has written with what was expected."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cellblock.shared.errors import InvalidJob
from cellblock.shared.quoting import quoted

__all__ = ["Comparison", "parse_comparison"]

_WAYS = ("exact", "lines", "tokens")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two texts are compared. `tolerance` counts for "float" only.

    "exact": each character. "lines": without white space at the ends of lines, and empty lines at the end.
    "tokens": word by word. "float": the same, but numbers may differ by `tolerance`, absolute or relative.
    """

    way: str = "lines"
    tolerance: float = 0.0

    def matches(self, written: str, expected: str) -> bool:
        """Whether what was written is what was expected."""
        match self.way:
            case "exact":
                return written == expected
            case "lines":
                return _lines(written) == _lines(expected)
            case _:
                return self._words_match(written.split(), expected.split())

    def _words_match(self, written: list[str], expected: list[str]) -> bool:
        return len(written) == len(expected) and all(map(self._word_matches, written, expected))

    def _word_matches(self, written: str, expected: str) -> bool:
        if written == expected:
            return True
        return (
            self.way == "float"
            and bool(_NUMBER.fullmatch(written) and _NUMBER.fullmatch(expected))
            and math.isclose(float(written), float(expected), rel_tol=self.tolerance, abs_tol=self.tolerance)
        )


def parse_comparison(value: object) -> Comparison:
    """The comparison that a request's `compare` asks for; None stands for "lines".

    Raises:
        InvalidJob: it is none of the known ones.
    """
    if value is None:
        return Comparison()
    if isinstance(value, str) and value in _WAYS:
        return Comparison(value)
    if isinstance(value, Mapping) and set(value) == {"float"}:
        tolerance = value["float"]
        if _is_tolerance(tolerance):
            return Comparison("float", float(tolerance))
        raise InvalidJob(f"compare: the tolerance is {quoted(tolerance)}; give 0 to 1, such as 1e-6.")
    raise InvalidJob(
        f'compare: {quoted(value)} is no comparison; give "exact", "lines", "tokens" or {{"float": 1e-6}}.'
    )


def _is_tolerance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]
