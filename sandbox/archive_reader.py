"""Reads an archive that comes in pieces as a file."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PiecesReader"]


class PiecesReader(io.RawIOBase):
    """A readable file over pieces of bytes as they arrive."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = bytearray()
        self._ended = False
        self.taken_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, fewer than `size` only at the end.

        Raises:
            tarfile.ReadError: the end was read before.
        """
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
            self.taken_bytes += len(piece)
        data = bytes(self._rest[:size])
        del self._rest[:size]
        if self._ended and not data:
            # To skip a file, tarfile would go on reading for as many blocks as its header claims.
            raise tarfile.ReadError("unexpected end of data")
        self._ended = not data
        return data
