"""How text from other people is shown on a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.terminal import StreamText, json_text, printable

any_text = st.text(st.characters(), max_size=200)  # including lone surrogates
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
)


@given(any_text)
def test_a_line_has_nothing_in_it_that_acts_on_a_terminal(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f", r"\x7f"),
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),
        ("pay\u200bpal", r"pay\u200bpal"),
        ("\u3164", r"\u3164"),
        ("\ud800", r"\ud800"),
        ("\u2028", r"\u2028"),
        ("[red]x[/red] :skull:", "[red]x[/red] :skull:"),
        ("naïve 日本語 😀", "naïve 日本語 😀"),
    ],
)
def test_what_acts_is_shown_as_an_escape_and_plain_words_as_they_are(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_text_is_cut() -> None:
    assert printable("x" * 100, 10) == "x" * 10 + "…"


def test_what_is_no_text_is_shown_too() -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    assert [printable(None), printable(3), printable({"a": "\x1b"})] == ["None", "3", r"{'a': '\x1b'}"]
    assert len(printable(deep)) < 100


@given(json_values)
def test_json_reads_the_same_and_shows_nothing_that_acts(value: object) -> None:
    text = json_text(value, indent=1)
    assert json.loads(text) == value
    assert text.replace("\n", "").isprintable()


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_stream_keeps_its_lines_and_loses_what_acts(data: bytes, cut: int) -> None:
    stream = StreamText()
    shown = stream.feed(data[:cut]) + stream.feed(data[cut:], final=True)
    assert shown.replace("\n", "").replace("\t", "").isprintable()


def test_a_character_may_come_in_pieces() -> None:
    stream = StreamText()
    assert [stream.feed(b"\xe2\x82"), stream.feed(b"\xac\r\n", final=True)] == ["", "€\n"]
