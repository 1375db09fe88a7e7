"""Blobs in a folder that all workers share: each is a file, and expires by its time."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sandbox.errors import BlobsFull, BlobsUnavailable
from tasks.blobs.bounds import check_bounds
from tasks.blobs.names import folder_of
from tasks.blobs.writer import HashingWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings
    from sandbox.blobs import Blob

__all__ = ["FolderBlobs"]

_PIECE_BYTES = 1 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEW = "new"
# How long the file of a writer that is gone is kept after its last piece, in seconds.
_UNFINISHED_S = 3600.0
# How often what has expired is looked for, in seconds, if no bound needs it more often.
_SWEEP_S = 60.0
_next_sweep: dict[Path, float] = {}
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderBlobs:
    """The blobs of one tenant below one folder. The workers' clocks and the folder's should agree."""

    def __init__(self, root: Path, tenant: str, settings: Settings) -> None:
        self._root = root
        self._own = root / folder_of(tenant)
        self._kept_s = settings.result_expires
        self._bounds = settings.blob_bounds

    def size(self, ref: str) -> int | None:
        """The bytes of a blob; None if there is none, or it has expired."""
        with _explained(self._root):
            try:
                found = self.path(ref).stat(follow_symlinks=False)
            except FileNotFoundError:
                self._root.stat()
                return None
        is_fresh = found.st_mtime + self._kept_s > time.time()
        return found.st_size if is_fresh and stat.S_ISREG(found.st_mode) else None

    def read(self, blob: Blob) -> Iterator[bytes]:
        """Its pieces, as they are stored."""
        with _explained(self._root), suppress(FileNotFoundError):
            descriptor = os.open(self.path(blob.ref), _READ)
            with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  a descriptor
                while piece := file.read(_PIECE_BYTES):
                    yield piece

    def writer(self) -> FolderWriter:
        """A writer for a new blob."""
        return FolderWriter(self)

    def remove(self, ref: str) -> bool:
        """Remove a blob. False if there is none."""
        with _explained(self._root):
            try:
                self.path(ref).unlink()
            except FileNotFoundError:
                return False
        return True

    def path(self, ref: str) -> Path:
        """The file of a blob."""
        return self._own / ref.removeprefix("sha256:")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A step that writes. Its errors say which folder, and what to try."""
        with _explained(self._root):
            yield

    def new_file(self) -> tuple[Path, IO[bytes]]:
        """An empty file that nobody else reads, in the same file system."""
        with _explained(self._root):
            for folder in (self._own, self._root / _NEW):
                folder.mkdir(mode=0o700, exist_ok=True)
            path = self._root / _NEW / secrets.token_hex(8)
            return path, open(os.open(path, _CREATE, 0o600), "wb")  # noqa: PTH123

    def check_bounds(self, more_bytes: int) -> None:
        """Raise BlobsFull if so many bytes more would pass a bound. What has expired is removed first."""
        if not any(self._bounds) and time.monotonic() < _next_sweep.get(self._root, 0.0):
            return
        _next_sweep[self._root] = time.monotonic() + _SWEEP_S
        with _explained(self._root):
            used = {folder: self._swept_bytes(folder) for folder in self._root.iterdir() if folder.is_dir()}
        check_bounds(self._bounds, sum(used.values()) + more_bytes, used.get(self._own, 0) + more_bytes)

    def _swept_bytes(self, folder: Path) -> int:
        """How many bytes a folder's files take, without those that have expired, which are removed."""
        kept_s = _UNFINISHED_S if folder.name == _NEW else self._kept_s
        total, oldest = 0, time.time() - kept_s
        for entry in os.scandir(folder):
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if found.st_mtime < oldest:
                    Path(entry).unlink()
                elif folder.name != _NEW:
                    total += found.st_size
        return total


class FolderWriter(HashingWriter):
    """Writes one blob to a file of its own, and renames that at the end."""

    def __init__(self, store: FolderBlobs) -> None:
        super().__init__(_PIECE_BYTES)
        self._store = store
        self._path, self._file = store.new_file()

    def _write(self, number: int, piece: bytes) -> None:
        if number % 64 == 0:
            self._store.check_bounds(number * _PIECE_BYTES)
        with self._store.changing():
            self._file.write(piece)

    def _publish(self, blob: Blob, last: bytes) -> None:
        self._store.check_bounds(blob.size)
        with self._store.changing():
            self._file.write(last)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(self._store.path(blob.ref))

    def _discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink()


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise BlobsFull(f"The blob store: there is no room left for the folder {root}.") from error
        raise BlobsUnavailable(
            f"The blob store: {error.strerror or type(error).__name__} in the folder {root}."
            " Try: make it a folder that workers may write to, with room (CELLBLOCK_BLOBS)."
        ) from error
