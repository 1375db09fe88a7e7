"""How much of an output is kept. It is measured in the JSON in which it is stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Sandbox, encoded
from sandbox.capture import Capture
from sandbox.encoded import encoded_bytes, first_part, last_part, within

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
mosts = st.integers(0, 120)


def size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "_PIECE", 7)


@given(texts)
def test_the_size_is_that_of_the_json(text: str) -> None:
    assert encoded_bytes(text) == size(text)


@given(texts, mosts)
def test_the_first_and_the_last_part_are_as_long_as_they_can_be(text: str, most: int) -> None:
    first, last = first_part(text, most), last_part(text, most)
    assert text.startswith(first)
    assert text.endswith(last)
    assert first == text or size(first) <= most < size(text[: len(first) + 1])
    assert last == text or size(last) <= most < size(text[len(text) - len(last) - 1 :])


@given(texts, mosts)
def test_what_fits_is_kept_whole(text: str, most: int) -> None:
    kept, cut = within(text, most)
    assert (kept == text, size(kept) <= most) == (not cut, True)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 60))
def test_no_bytes_take_more_than_twice_the_limit(chunks: list[bytes], limit: int) -> None:
    captured = Capture(limit)
    for chunk in chunks:
        captured.feed(chunk)
    text, cut = captured.within(2 * limit)
    assert size(text) <= 2 * limit
    assert cut or text == captured.text()
    assert captured.total_bytes == sum(map(len, chunks))


@pytest.mark.parametrize("text", ["plain words\n", '"quoted"\n', "слово", "日本語", "😀"])
def test_text_of_any_language_is_kept_to_the_limit(text: str) -> None:
    whole = text * 1000
    captured = Capture(len(whole.encode()))
    captured.feed(whole.encode())
    assert captured.within(2 * len(whole.encode())) == (whole, False)


@pytest.mark.parametrize("byte", ["\\000", "\\001", "\\033", "\\377"], ids=["NUL", "SOH", "ESC", "no UTF-8"])
def test_a_result_of_control_characters_takes_at_most_twice_the_limit_of_each_stream(
    host: Sandbox, monkeypatch: pytest.MonkeyPatch, byte: str
) -> None:
    monkeypatch.setattr(encoded, "_PIECE", 64 << 10)
    limit = 1 << 20
    fill = f"head -c {limit} /dev/zero | tr '\\000' '{byte}'"
    result = host.run(f"{fill}; {fill} >&2", output_limit=limit)
    assert len(json.dumps(result.to_dict(), ensure_ascii=False).encode()) <= 4 * limit + 4096
    assert (result.stdout_bytes, result.stdout_truncated, result.stderr_truncated) == (limit, True, True)
