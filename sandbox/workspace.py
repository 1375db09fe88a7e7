"""All that a job left in `/workspace`, as the tar archive of its cell. The next cell gets it as it is."""

from __future__ import annotations

import tarfile

__all__ = ["END", "RECORD_BYTES", "ArchiveScan", "content_bytes"]

#: The supervisor reads whole records.
RECORD_BYTES = tarfile.RECORDSIZE
_BLOCK_BYTES = tarfile.BLOCKSIZE
_SIZE, _TYPE = slice(124, 136), slice(156, 157)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE)
#: An archive ends with two of these.
END = bytes(_BLOCK_BYTES)


def content_bytes(archive: bytes) -> int | None:
    """How many bytes the files in a tar archive have together; None if it is cut short or damaged."""
    scan = ArchiveScan()
    scan.feed(archive)
    return scan.content_bytes


class ArchiveScan:
    """Adds up the files in a tar archive that comes in pieces.

    Only the sizes in the headers are read, so that any name, type and number of files is quick.
    """

    def __init__(self) -> None:
        #: Whether its end was seen. Behind it there is nothing but zeros.
        self.is_whole = False
        self._content_bytes = 0
        self._header = b""
        self._skip_bytes = 0
        self._is_damaged = False

    @property
    def content_bytes(self) -> int | None:
        """How many bytes the files have together; None if the archive is cut short or damaged."""
        return self._content_bytes if self.is_whole else None

    def feed(self, piece: bytes) -> int:
        """Take the next piece. Returns how many of its bytes the archive has, with one block of its end."""
        start = 0
        while start < len(piece) and not (self.is_whole or self._is_damaged):
            if skipped := min(self._skip_bytes, len(piece) - start):
                self._skip_bytes -= skipped
                start += skipped
                continue
            part = piece[start : start + _BLOCK_BYTES - len(self._header)]
            self._header += part
            start += len(part)
            if len(self._header) == _BLOCK_BYTES:
                self._read(self._header)
                self._header = b""
        return start

    def _read(self, header: bytes) -> None:
        if header == END:
            self.is_whole = True
            return
        try:
            size = max(0, tarfile.nti(header[_SIZE]))  # type: ignore[attr-defined]  # missing in its stub
        except tarfile.HeaderError:
            self._is_damaged = True
            return
        self._content_bytes += size if header[_TYPE] in _REGULAR else 0
        self._skip_bytes = -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
