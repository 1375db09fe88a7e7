"""Saves the files that a job brought back, under names that the job has chosen."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UnsafeName", "save"]

_NAME_BYTES = 255
_MOST_PARTS = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeName(ValueError):
    """A path that leads, or may lead, out of the folder."""


def save(path: str, content: bytes, folder: str = ".") -> None:
    """Write a new file at `path` below `folder`, with the folders that it needs.

    Each folder is opened from the folder before it, and no link is followed. So no name leads elsewhere, not
    even while somebody changes the folders. An existing file is never written to.

    Raises:
        UnsafeName: an absolute path, one with "..", or a name that no file can have.
        OSError: the file exists, a part of the path is a link or no folder, or the disk is full.
    """
    *parents, name = _parts(path)
    with _opened(folder, parents) as inside:
        _write(name, content, inside)


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise UnsafeName("the name is no text") from None
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise UnsafeName("the name leads out of this folder, or names no file")
    if max(sizes) > _NAME_BYTES or len(parts) > _MOST_PARTS:
        raise UnsafeName("the name is too long")
    return parts


@contextmanager
def _opened(folder: str, parents: list[str]) -> Iterator[int]:
    """Open the innermost folder, and make folders that are missing."""
    # The user's folder may be a link. The folders that the job chose may not.
    inside = os.open(folder, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for part in parents:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=inside)
            outer, inside = inside, os.open(part, _FOLDER, dir_fd=inside)
            os.close(outer)
        yield inside
    finally:
        os.close(inside)


def _write(name: str, content: bytes, inside: int) -> None:
    """Write the whole file, or leave no file."""
    descriptor = os.open(name, _NEW_FILE, 0o666, dir_fd=inside)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError:
        os.unlink(name, dir_fd=inside)
        raise
