# Made by `python docs/generate.py` from sandbox/blobs.py. Change it there.
"""Blobs: contents in a store beside the queue, each named by its digest. A cell never sees the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cellblock.shared.errors import InvalidJob

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Blob", "missing_blob", "read_blob", "write_blob"]


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored content: its ref, such as "sha256:…", and its size in bytes."""

    ref: str
    size: int


class BlobWriter(Protocol):
    """Takes one content, piece by piece. If the block is left without a `commit`, nothing is stored.

    Every method raises `BlobsFull` or `BlobsUnavailable`.
    """

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *exc_info: object) -> None:
        """Remove what was not committed."""

    def feed(self, piece: bytes) -> None:
        """Take the next piece, of any size."""

    def commit(self) -> Blob:
        """Store the whole content, in one step. Until then nobody can read any of it."""


class BlobStore(Protocol):
    """The blobs of one tenant. Every method raises `BlobsUnavailable` if the store does not answer."""

    def size(self, ref: str) -> int | None:
        """The bytes of a blob; None if there is none, or it has expired."""

    def read(self, blob: Blob) -> Iterator[bytes]:
        """Its pieces as they are stored. Use `read_blob`, which verifies them."""

    def writer(self) -> BlobWriter:
        """A writer for a new blob."""

    def remove(self, ref: str) -> bool:
        """Remove a blob. False if there is none."""


def read_blob(store: BlobStore, blob: Blob) -> Iterator[bytes]:
    """The pieces of a blob. Use what they make up only after the last one: the digest is checked then.

    Raises:
        InvalidJob: it has expired meanwhile, or is not what was stored.
        BlobsUnavailable: the store does not answer.
    """
    digest, size = hashlib.sha256(), 0
    for piece in store.read(blob):
        digest.update(piece)
        size += len(piece)
        if size > blob.size:
            break
        yield piece
    if (size, f"sha256:{digest.hexdigest()}") != (blob.size, blob.ref):
        raise InvalidJob(
            f"What the blob store has of {blob.ref} is incomplete or damaged. Try: store the content again."
        )


def write_blob(store: BlobStore, pieces: Iterable[bytes]) -> Blob:
    """Store the content that the pieces make up.

    Raises:
        BlobsFull: it is more than the operator allows.
        BlobsUnavailable: the store does not answer.
    """
    with store.writer() as writer:
        for piece in pieces:
            writer.feed(piece)
        return writer.commit()


def missing_blob(where: str, ref: str) -> InvalidJob:
    """The error for a ref that names nothing that its tenant has."""
    return InvalidJob(
        f"{where}: there is no blob {ref}; it was never stored for this tenant, or has expired."
        " Try: store the content again."
    )
