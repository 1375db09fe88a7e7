"""The tar archive that carries a job's files into its cell, made while it is read."""

from __future__ import annotations

import tarfile
import time
from typing import TYPE_CHECKING

from sandbox.blobs import Source
from sandbox.workspace import RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["file_archive", "padding", "size_of"]

_END_BYTES = 2 * tarfile.BLOCKSIZE


def file_archive(members: Iterable[tuple[str, bytes | Source]]) -> list[bytes | Source]:
    """The parts of an archive of whole records with these files; no parts, if there are no files."""
    parts: list[bytes | Source] = []
    now = int(time.time())
    for name, content in members:
        parts += _member(name, content, now)
    if parts:
        parts.append(bytes(_END_BYTES))
        parts.append(padding(size_of(parts)))
    return parts


def size_of(parts: Iterable[bytes | Source]) -> int:
    """How many bytes the parts have together."""
    return sum(part.size if isinstance(part, Source) else len(part) for part in parts)


def padding(size: int) -> bytes:
    """The zeros behind an archive of this size, up to a whole record."""
    return bytes(-size % RECORD_BYTES)


def _member(name: str, content: bytes | Source, now: int) -> Iterator[bytes | Source]:
    """An executable file of now, so that it can be started as `./name`, and no tool finds it too old."""
    member = tarfile.TarInfo(name)
    member.size = content.size if isinstance(content, Source) else len(content)
    member.mode, member.mtime = 0o755, now
    yield member.tobuf(tarfile.GNU_FORMAT)
    yield content
    yield bytes(-member.size % tarfile.BLOCKSIZE)
