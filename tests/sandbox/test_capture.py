"""The part of an output stream that the worker keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.capture import Capture

if TYPE_CHECKING:
    from collections.abc import Iterable

chunked_bytes = st.lists(st.binary(max_size=40), max_size=12)
chunked_ascii = st.lists(st.text(st.characters(max_codepoint=127), max_size=40), max_size=12)
limits = st.integers(1, 100)


def capture(chunks: Iterable[bytes], limit: int) -> Capture:
    captured = Capture(limit)
    for chunk in chunks:
        captured.feed(chunk)
    return captured


@given(chunked_bytes, limits)
def test_every_byte_is_counted_however_it_comes(chunks: list[bytes], limit: int) -> None:
    captured = capture(chunks, limit)
    written = sum(map(len, chunks))
    assert (captured.total_bytes, captured.truncated) == (written, written > limit)


@given(chunked_bytes, limits)
def test_the_chunks_make_no_difference(chunks: list[bytes], limit: int) -> None:
    assert capture(chunks, limit).text() == capture([b"".join(chunks)], limit).text()


@given(chunked_ascii, limits)
def test_the_first_and_last_bytes_are_kept_within_the_limit(chunks: list[str], limit: int) -> None:
    whole = "".join(chunks)
    kept = capture((chunk.encode() for chunk in chunks), limit).text()
    head, tail = limit - limit // 2, limit // 2
    assert kept == (whole if len(whole) <= limit else whole[:head] + whole[len(whole) - tail :])


@given(st.text(min_size=1), limits)
def test_a_cut_never_leaves_half_a_character(text: str, limit: int) -> None:
    kept = capture([text.encode()], limit).text()
    assert kept.count("\ufffd") <= text.count("\ufffd")


@given(st.text(min_size=1), limits)
def test_what_is_kept_of_any_text_is_a_beginning_and_an_end_of_it(text: str, limit: int) -> None:
    kept = capture([text.encode()], limit).text()
    cuts = range(len(kept) + 1)
    assert any(text.startswith(kept[:cut]) and text.endswith(kept[cut:]) for cut in cuts)


@given(st.binary(max_size=100))
def test_a_whole_stream_is_decoded_as_python_would(data: bytes) -> None:
    assert capture([data], 100).text() == data.decode("utf-8", "replace")


def test_memory_stays_bounded_by_the_limit() -> None:
    captured = capture([b"x" * 1000] * 1000, 100)
    assert len(captured.text()) == 100
    assert captured.total_bytes == 1_000_000


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("", []),
        ("one", ["one"]),
        ("one\ntwo\n\nthree\n  at x\n\tat y\n", ["two", "three"]),
        ("a\n" * 100_000 + "end\n" + "  at x\n" * 1000, ["a", "end"]),
    ],
)
def test_the_last_lines_are_those_that_begin_with_no_space(text: str, last: list[str]) -> None:
    assert capture([text.encode()], 1_000_000).last_lines(2) == last


def test_of_a_stream_that_was_cut_the_last_lines_are_those_of_its_end() -> None:
    assert capture([b"start\n", b"x" * 1000, b"\nend\n"], 20).last_lines(1) == ["end"]
