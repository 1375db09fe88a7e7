"""All that a job left in `/workspace`, as the tar archive of its cell. The next cell gets it as it is."""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["END", "RECORD_BYTES", "ArchiveScan", "content_bytes"]

#: The supervisor reads whole records.
RECORD_BYTES = tarfile.RECORDSIZE
_BLOCK_BYTES = tarfile.BLOCKSIZE
_NAME, _SIZE, _TYPE, _LINK, _PREFIX = (
    slice(*part) for part in ((0, 100), (124, 136), (156, 157), (157, 257), (345, 500))
)
_LENGTH = re.compile(rb"(\d{1,9}) ")
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE)
# More than a name and a link take there.
_EXTENDED_BYTES = 64 << 10
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
        #: Whether a name or a link stands only in an extended header, which BusyBox's tar does not read.
        self.has_extended_names = False
        self._content_bytes = 0
        self._header = b""
        self._skip_bytes = 0
        self._is_damaged = False
        self._extended = bytearray()
        self._is_extended = False

    @property
    def content_bytes(self) -> int | None:
        """How many bytes the files have together; None if the archive is cut short or damaged."""
        return self._content_bytes if self.is_whole else None

    def feed(self, piece: bytes) -> int:
        """Take the next piece. Returns how many of its bytes the archive has, with one block of its end."""
        start = 0
        while start < len(piece) and not (self.is_whole or self._is_damaged):
            if skipped := min(self._skip_bytes, len(piece) - start):
                self._skip(piece[start : start + skipped])
                start += skipped
                continue
            part = piece[start : start + _BLOCK_BYTES - len(self._header)]
            self._header += part
            start += len(part)
            if len(self._header) == _BLOCK_BYTES:
                self._read(self._header)
                self._header = b""
        return start

    def _skip(self, content: bytes) -> None:
        self._skip_bytes -= len(content)
        if self._is_extended and len(self._extended) < _EXTENDED_BYTES:
            self._extended += content

    def _read(self, header: bytes) -> None:
        if header == END:
            self.is_whole = True
            return
        try:
            size = max(0, tarfile.nti(header[_SIZE]))  # type: ignore[attr-defined]  # missing in its stub
        except tarfile.HeaderError:
            self._is_damaged = True
            return
        is_extended = header[_TYPE] in (tarfile.XHDTYPE, tarfile.XGLTYPE)
        if not is_extended:
            self.has_extended_names = self.has_extended_names or self._lacks_a_name(header)
            self._extended.clear()
        self._is_extended = is_extended
        self._content_bytes += size if header[_TYPE] in _REGULAR else 0
        self._skip_bytes = -(-size // _BLOCK_BYTES) * _BLOCK_BYTES

    def _lacks_a_name(self, header: bytes) -> bool:
        """Whether a name in the extended header before this one is not in this one too."""
        name, link, prefix = (header[part].rstrip(b"\0") for part in (_NAME, _LINK, _PREFIX))
        whole = {b"path": prefix + b"/" + name if prefix else name, b"linkpath": link}
        return any(key in whole and whole[key] != value for key, value in self._records())

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        """The records of the last extended header, each "length key=value" with a newline behind it."""
        rest = bytes(self._extended)
        while (found := _LENGTH.match(rest)) and 0 < (length := int(found[1])) <= len(rest):
            key, _, value = rest[found.end() : length - 1].partition(b"=")
            yield key, value
            rest = rest[length:]
