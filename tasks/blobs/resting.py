"""A store whose large transfers take no time from the job that they are for."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tasks.pool.resting_limits import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.blobs import Blob, BlobStore, BlobWriter

__all__ = ["RestingBlobs"]

# To rest the limits costs two processes time, so that small transfers do without.
_LARGE_BYTES = 4 << 20


class RestingBlobs:
    """The same blobs. While many bytes are read or written, the limits of the job rest."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def size(self, ref: str) -> int | None:
        """The bytes of a blob; None if there is none, or it has expired."""
        return self._store.size(ref)

    def read(self, blob: Blob) -> Iterator[bytes]:
        """Its pieces, which the job waits for."""
        if blob.size < _LARGE_BYTES:
            yield from self._store.read(blob)
        else:
            with limits.resting():
                yield from self._store.read(blob)

    def writer(self) -> BlobWriter:
        """A writer for what a job has left, which has ended."""
        return _RestingWriter(self._store.writer())

    def remove(self, ref: str) -> bool:
        """Remove a blob. False if there is none."""
        return self._store.remove(ref)


class _RestingWriter:
    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self._size = 0
        self._rest = ExitStack()

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._rest:
            self._writer.__exit__(*exc_info)

    def feed(self, piece: bytes) -> None:
        if self._size < _LARGE_BYTES <= self._size + len(piece):
            self._rest.enter_context(limits.resting())
        self._size += len(piece)
        self._writer.feed(piece)

    def commit(self) -> Blob:
        return self._writer.commit()
