# Made by `python docs/generate.py` from tasks/blobs/writer.py. Change it there.
"""What the writers of all stores share: the digest, and pieces of one size."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cellblock.shared.blobs import Blob

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["HashingWriter"]


class HashingWriter(ABC):
    """Cuts a content into pieces of `piece_bytes`, and knows its digest at the end."""

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        #: How many whole pieces were written.
        self.count = 0
        self._is_stored = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._is_stored:
            self._discard()

    def feed(self, piece: bytes) -> None:
        """Take the next piece, of any size."""
        self._digest.update(piece)
        self._size += len(piece)
        self._held += piece
        while len(self._held) > self._piece_bytes:
            with memoryview(self._held) as held:
                whole = bytes(held[: self._piece_bytes])
            del self._held[: self._piece_bytes]
            self._write(self.count, whole)
            self.count += 1

    def commit(self) -> Blob:
        """Store the whole content under its digest."""
        blob = Blob(f"sha256:{self._digest.hexdigest()}", self._size)
        self._publish(blob, bytes(self._held))
        self._is_stored = True
        return blob

    @abstractmethod
    def _write(self, number: int, piece: bytes) -> None:
        """Write one whole piece. There will be at least one byte behind it."""

    @abstractmethod
    def _publish(self, blob: Blob, last: bytes) -> None:
        """Write the last piece, and make the content readable under its ref."""

    @abstractmethod
    def _discard(self) -> None:
        """Remove what was written. It must not raise."""
