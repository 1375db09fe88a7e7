"""Sizes with units."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config import format_bytes, parse_bytes

MULTIPLES = {"": 1, "b": 1, "k": 1 << 10, "KB": 1 << 10, "kib": 1 << 10, "M": 1 << 20, "g": 1 << 30}


@given(st.integers(1, 1 << 40), st.sampled_from(sorted(MULTIPLES)))
def test_units_are_binary_multiples_in_either_case(count: int, unit: str) -> None:
    assert parse_bytes(f" {count}{unit} ") == count * MULTIPLES[unit]


@given(st.integers(1, 1 << 60))
def test_a_whole_number_is_taken_as_bytes(count: int) -> None:
    assert parse_bytes(count) == parse_bytes(str(count)) == count


def test_a_fraction_of_a_unit_is_whole_bytes() -> None:
    assert parse_bytes("1.5k") == 1536


@pytest.mark.parametrize("size", [True, None, 1.5, b"1", [], "", "m", "12x", "-1", "1e3", "nan", "1 2"])
def test_what_is_no_size_is_refused_by_its_value(size: object) -> None:
    with pytest.raises(ValueError, match="is not a size") as caught:
        parse_bytes(size)
    assert repr(size) in str(caught.value)


@pytest.mark.parametrize("size", [0, -5, "0m", "0.0001"])
def test_nothing_is_not_a_size(size: object) -> None:
    with pytest.raises(ValueError, match="above 0"):
        parse_bytes(size)


@given(st.text())
@example("9" * 400 + ".5")
@example("9" * 5000)
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_bytes(text) > 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (512 << 20, "512 MiB"),
        ((1 << 20) - 1, "1024 KiB"),
        (1 << 20, "1 MiB"),
        (1 << 30, "1 GiB"),
        (3 << 30, "3 GiB"),
        (5000 << 30, "5000 GiB"),
    ],
)
def test_sizes_are_shown_in_the_unit_that_keeps_them_short(count: int, text: str) -> None:
    assert format_bytes(count) == text


@given(st.integers(1, 1 << 42))
def test_a_shown_size_reads_back_within_a_thousandth(count: int) -> None:
    assert parse_bytes(format_bytes(count)) == pytest.approx(count, rel=1e-3)


def test_a_terabyte_is_a_size_and_thirty_digits_are_the_most() -> None:
    assert (parse_bytes("2t"), parse_bytes("9" * 30)) == (2 << 40, int("9" * 30))
    with pytest.raises(ValueError, match="too many digits"):
        parse_bytes("9" * 31)


def test_half_a_unit_is_a_size() -> None:
    assert (parse_bytes("0.5g"), parse_bytes(1)) == (1 << 29, 1)
