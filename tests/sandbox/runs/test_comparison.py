"""How what a run wrote is compared with what was expected."""

from __future__ import annotations

import pytest

from sandbox import InvalidJob
from sandbox.runs.comparison import Comparison, parse_comparison


@pytest.mark.parametrize(
    ("compare", "written", "expected", "matches"),
    [
        ("exact", "a\n", "a\n", True),
        ("exact", "a\n", "a", False),
        ("lines", "a \nb\t\n\n\n", "a\nb", True),
        ("lines", "a\r\nb\r\n", "a\nb\n", True),
        ("lines", " a", "a", False),
        ("lines", "a\n\nb", "a\nb", False),
        ("lines", "", "\n", True),
        ("lines", "a b", "a  b", False),
        ("tokens", " a\n\nb ", "a b", True),
        ("tokens", "ab", "a b", False),
        ("tokens", "1.0", "1", False),
        ({"float": 1e-6}, "0.33333333 x", "0.333333 x", True),
        ({"float": 1e-6}, "0.3333", "0.333333", False),
        ({"float": 1e-6}, "1000000.5", "1000000", True),
        ({"float": 1e-6}, "0.0000001", "0", True),
        ({"float": 0}, "1.50", "1.5", True),
        ({"float": 1}, "x", "y", False),
        ({"float": 1}, "1", "1 1", False),
        ({"float": 1}, "nan", "1", False),
        ({"float": 1}, "1_0", "10", False),
        ({"float": 0.1}, "-1e3", "-1000", True),
        ({"float": 0.1}, "1e999", "1e998", True),
    ],
)
def test_what_matches(compare: object, written: str, expected: str, matches: bool) -> None:
    assert parse_comparison(compare).matches(written, expected) is matches


def test_by_default_lines_are_compared() -> None:
    assert parse_comparison(None) == Comparison("lines")


@pytest.mark.parametrize("compare", ["word", 1, True, {}, {"float": 1, "x": 1}, ["lines"]])
def test_another_comparison_is_refused(compare: object) -> None:
    with pytest.raises(InvalidJob, match=r'give "exact", "lines", "tokens" or'):
        parse_comparison(compare)


@pytest.mark.parametrize("tolerance", [-1e-9, 1.1, float("nan"), float("inf"), "1", None, True])
def test_another_tolerance_is_refused(tolerance: object) -> None:
    with pytest.raises(InvalidJob, match=r"the tolerance is .*; give 0 to 1"):
        parse_comparison({"float": tolerance})
