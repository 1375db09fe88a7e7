"""Keeps a limited part of an output stream, however much a job writes."""

from __future__ import annotations

import codecs

from sandbox.encoded import first_part, last_part, within

__all__ = ["Capture"]

# Enough for a trace of some hundred calls below the line that says what happened.
_END_BYTES = 64 << 10


class Capture:
    """Counts all bytes of a stream and keeps its first and last ones, `limit_bytes` in all."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_bytes = limit_bytes - limit_bytes // 2
        self._tail_bytes = limit_bytes // 2
        self._head = bytearray()
        # A ring buffer once it is full: the oldest byte is the next to be overwritten.
        self._tail = bytearray()
        self._oldest = 0
        self.total_bytes = 0

    @property
    def truncated(self) -> bool:
        """Whether anything was dropped."""
        return self.total_bytes > self._head_bytes + self._tail_bytes

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the stream."""
        self.total_bytes += len(data)
        room = self._head_bytes - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if self._tail_bytes and data:
            self._keep_last(data[-self._tail_bytes :])

    def text(self) -> str:
        """The kept bytes as text: U+FFFD for what is not UTF-8, without a character that the cut split."""
        tail = self._last()
        if not self.truncated:
            return (self._head + tail).decode("utf-8", "replace")
        return _decode_cut_end(self._head) + _decode_cut_start(tail)

    def within(self, encoded_bytes: int) -> tuple[str, bool]:
        """The kept text, cut to at most `encoded_bytes` bytes of JSON, and whether anything was dropped.

        The stream's first part is cut at its end, and its last part at its start.
        """
        if not self.truncated:
            return within(self.text(), encoded_bytes)
        head = first_part(_decode_cut_end(self._head), encoded_bytes - encoded_bytes // 2)
        return head + last_part(_decode_cut_start(self._last()), encoded_bytes // 2), True

    def last_lines(self, number: int) -> list[str]:
        """The last lines that begin with no space, as far as they are kept. The last one comes last."""
        end = (self._head[-_END_BYTES:] + self._last()[-_END_BYTES:])[-_END_BYTES:]
        lines = end.decode("utf-8", "replace").splitlines()
        return [line for line in lines if line and not line[0].isspace()][-number:]

    def _last(self) -> bytearray:
        return self._tail[self._oldest :] + self._tail[: self._oldest] if self._oldest else self._tail

    def _keep_last(self, data: bytes | memoryview) -> None:
        room = self._tail_bytes - len(self._tail)
        self._tail += data[:room]
        data = data[room:]
        while data:
            piece = data[: self._tail_bytes - self._oldest]
            self._tail[self._oldest : self._oldest + len(piece)] = piece
            self._oldest = (self._oldest + len(piece)) % self._tail_bytes
            data = data[len(piece) :]


def _decode_cut_end(data: bytearray) -> str:
    """Decode as if more bytes followed: then the codec leaves out an unfinished character at the end."""
    return codecs.utf_8_decode(data, "replace", False)[0]  # noqa: FBT003


def _decode_cut_start(data: bytearray) -> str:
    """Decode without the rest of a split character at the start: at most three continuation bytes."""
    start = 0
    while start < min(3, len(data)) and 0x80 <= data[start] < 0xC0:
        start += 1
    return codecs.utf_8_decode(memoryview(data)[start:], "replace", True)[0]  # noqa: FBT003
