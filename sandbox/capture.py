"""What is kept of an output stream, however much a job writes."""

from __future__ import annotations

import codecs

__all__ = ["Capture"]


class Capture:
    """Counts all bytes of a stream and keeps its first and last ones, `limit_bytes` in all."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_bytes = limit_bytes - limit_bytes // 2
        self._tail_bytes = limit_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
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
            self._tail += data[-self._tail_bytes :]
            if len(self._tail) > 2 * self._tail_bytes:
                del self._tail[: -self._tail_bytes]

    def text(self) -> str:
        """What is kept, with U+FFFD for what is not UTF-8, and without a character that the cut split."""
        tail = self._tail[-self._tail_bytes :] if self._tail_bytes else b""
        if not self.truncated:
            return (self._head + tail).decode("utf-8", "replace")
        return _decode_cut_end(self._head) + _without_cut_start(tail).decode("utf-8", "replace")


def _decode_cut_end(data: bytes | bytearray) -> str:
    """An incremental decoder holds an unfinished character back, so that it is simply never given out."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(data), final=False)


def _without_cut_start(data: bytes | bytearray) -> bytes:
    """A UTF-8 character has at most three continuation bytes."""
    start = 0
    while start < min(3, len(data)) and 0x80 <= data[start] < 0xC0:
        start += 1
    return bytes(data[start:])
