"""Text from outside is quoted in messages: short, on one line and without control characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.quoting import is_plain, is_word, named, quoted

_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200) | st.binary(max_size=200),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
)


@given(_anything)
def test_it_is_short_and_printable(value: object) -> None:
    assert len(quoted(value)) <= 80
    assert quoted(value).isprintable()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "'abc'"),
        ("é", "'é'"),
        ("a\nb\x1b[2J\ud800\u202e", r"'a\nb\x1b[2J\ud800\u202e'"),
        ("x" * 61, f"'{'x' * 58}…"),
        (10**5000, "<int>"),
        ([[[[1]]]], "[[[...]]]"),
    ],
    ids=["text", "letters", "control", "long", "digits", "deep"],
)
def test_it_is_what_python_writes(value: object, shown: str) -> None:
    assert quoted(value) == shown


def test_a_name_stays_as_it_is_if_it_can_stand_anywhere() -> None:
    assert (named("a/b.py"), named("a\n")) == ("a/b.py", r"'a\n'")


def test_the_largest_text_costs_nothing() -> None:
    assert len(quoted("x" * 50_000_000)) < 70


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 60, f"'{'x' * 60}'"),
        ([1, 2, 3, 4], "[1, 2, 3, ...]"),
        ({1: 1, 2: 2, 3: 3, 4: 4}, "{1: 1, 2: 2, 3: 3, ...}"),
        ((1, 2, 3, 4), "(1, 2, 3, ...)"),
        ([[1]], "[[1]]"),
    ],
    ids=["text", "list", "dict", "tuple", "depth"],
)
def test_the_first_of_much_is_enough(value: object, shown: str) -> None:
    assert quoted(value) == shown


def test_a_caller_may_ask_for_less() -> None:
    assert (quoted("abcdef", 6), quoted("abcdefg", 6)) == ("'abcdef'", "'abcd…")


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a", True), ("a" * 5, True), ("a" * 6, False), ("", False), ("\t", False), (1, False)],
)
def test_plain_is_text_that_can_stand_anywhere(text: object, plain: bool) -> None:
    assert is_plain(text, 5) is plain


def test_a_long_name_is_cut() -> None:
    assert (named("x" * 60), named("x" * 61)) == ("x" * 60, f"'{'x' * 58}…")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("c++", True),
        ("C#", True),
        ("a" * 32, True),
        ("a" * 33, False),
        ("", False),
        ("a b", False),
        (1, False),
    ],
)
def test_a_word_could_name_a_runtime(text: object, word: bool) -> None:
    assert is_word(text) is word
