"""All that a stage left in `/workspace`, as the tar archive of its cell. The next stage gets it as it is."""

from __future__ import annotations

import tarfile

__all__ = ["content_bytes", "padded"]

# The supervisor reads whole records.
_RECORD_BYTES = tarfile.RECORDSIZE
_BLOCK_BYTES = tarfile.BLOCKSIZE
_SIZE, _TYPE = slice(124, 136), slice(156, 157)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE)


def content_bytes(archive: bytes) -> int | None:
    """How many bytes the files in a tar archive have together; None if it is cut short or damaged.

    Only the sizes in the headers are read, so that any name, type and number of files is quick.
    """
    start, total = 0, 0
    while len(header := archive[start : start + _BLOCK_BYTES]) == _BLOCK_BYTES:
        if header == bytes(_BLOCK_BYTES):
            return total
        try:
            size = tarfile.nti(header[_SIZE])  # type: ignore[attr-defined]  # missing in its stub
        except tarfile.HeaderError:
            return None
        total += size if header[_TYPE] in _REGULAR else 0
        start += _BLOCK_BYTES + -(-max(0, size) // _BLOCK_BYTES) * _BLOCK_BYTES
    return None


def padded(archive: bytes) -> bytes:
    """The archive with zeros behind it, up to a whole record."""
    return archive + bytes(-len(archive) % _RECORD_BYTES)
