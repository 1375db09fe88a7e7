"""The framing in which Docker carries a container's two output streams over one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FrameReader"]

_HEADER_BYTES = 8


class FrameReader:
    """Parses frames as their bytes arrive. A frame's payload is passed on in pieces and never buffered.

    Format: one byte for the stream, three zero, four for the payload's length, big-endian
    (Docker Engine API, "Attach to a container", stream format).
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The payload in the next bytes of the connection, in pieces, each with its stream's number."""
        position = 0
        while position < len(data):
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                yield self._stream, piece
            else:
                part = data[position : position + _HEADER_BYTES - len(self._header)]
                position += len(part)
                self._read_header(part)

    def _read_header(self, part: bytes) -> None:
        self._header += part
        if len(self._header) == _HEADER_BYTES:
            self._stream = self._header[0]
            self._left = int.from_bytes(self._header[4:], "big")
            self._header = b""
