"""The framing in which Docker carries two streams over one connection."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from sandbox.engines.docker.frames import FrameReader

frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=30)), max_size=8)
cuts = st.lists(st.integers(0, 300), max_size=12)


def framed(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    runs = groupby((piece for piece in pieces if piece[1]), key=lambda piece: piece[0])
    return [(stream, b"".join(data for _, data in run)) for stream, run in runs]


@given(frames, cuts)
def test_any_chunking_gives_the_same_payload(sent: list[tuple[int, bytes]], places: list[int]) -> None:
    wire = b"".join(framed(stream, payload) for stream, payload in sent)
    reader = FrameReader()
    read = [piece for chunk in cut_at(wire, places) for piece in reader.feed(chunk)]
    assert joined(read) == joined(sent)


def test_a_payload_is_given_out_before_its_frame_is_complete() -> None:
    assert list(FrameReader().feed(framed(1, b"hello")[:10])) == [(1, b"he")]


def test_an_empty_frame_gives_nothing() -> None:
    assert list(FrameReader().feed(framed(1, b""))) == []
