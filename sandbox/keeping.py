"""Brings back what a job left: single files, and its whole workspace for a later job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.artifacts import Collected, collect_artifacts
from sandbox.errors import BlobsFull
from sandbox.workspace import END, ArchiveScan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.artifacts import ArtifactCaps
    from sandbox.blobs import BlobStore, BlobWriter
    from sandbox.job import Job

__all__ = ["NOT_ASKED", "NO_REPORT", "Kept", "bring_back", "keep"]


@dataclass(frozen=True, slots=True)
class Kept:
    """The ref of a workspace that was kept, or why it was not. Neither, if nobody wanted it."""

    ref: str | None = None
    skipped: str | None = None
    cut_short: bool = False


#: For a job whose workspace is not to be kept.
NOT_ASKED = Kept()
#: For a job whose cell was gone before it could give anything.
NO_REPORT = Kept(skipped="the cell was killed, and its files are gone")


def bring_back(pieces: Iterable[bytes], job: Job, caps: ArtifactCaps) -> tuple[Collected, Kept]:
    """What the job asks for, from the archive that its cell sends.

    Raises:
        BlobsUnavailable: the blob store does not answer.
    """
    store = job.blobs if job.artifacts_as_refs else None
    if not job.keep_workspace or job.blobs is None:
        return collect_artifacts(pieces, job.artifacts, caps, store), NOT_ASKED
    with job.blobs.writer() as writer:
        keeping = _Keeping(writer, job.limits.disk_bytes)
        passing = keeping.passing(pieces)
        collected = collect_artifacts(passing, job.artifacts, caps, store) if job.artifacts else Collected()
        for _ in passing:
            """Whoever collects files may have seen enough before the end."""
        return collected, keeping.end()


def keep(archive: bytes, store: BlobStore, disk_bytes: int) -> Kept:
    """Store an archive that is in memory."""
    with store.writer() as writer:
        keeping = _Keeping(writer, disk_bytes)
        for _ in keeping.passing([archive]):
            """Only to be stored."""
        return keeping.end()


class _Keeping:
    """Stores an archive while somebody else reads it."""

    def __init__(self, writer: BlobWriter, disk_bytes: int) -> None:
        self._writer = writer
        self._disk_bytes = disk_bytes
        self._scan = ArchiveScan()
        self._full: BlobsFull | None = None

    def passing(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces, up to the end of the archive. To wait for the end of the cell takes longer."""
        for piece in pieces:
            self._store(piece[: self._scan.feed(piece)])
            yield piece
            if self._scan.is_whole:
                self._store(END)
                return

    def end(self) -> Kept:
        """The ref, if the archive was whole and what it holds fits on the disk that it comes from."""
        content_bytes = self._scan.content_bytes
        if content_bytes is None:
            return Kept(skipped="the cell did not give its files as a whole", cut_short=True)
        if content_bytes > self._disk_bytes:
            size, disk = format_bytes(content_bytes), format_bytes(self._disk_bytes)
            return Kept(skipped=f"its files take {size}, more than the job's disk={disk}, with their holes")
        try:
            return Kept(skipped=str(self._full)) if self._full else Kept(self._writer.commit().ref)
        except BlobsFull as error:
            return Kept(skipped=str(error))

    def _store(self, piece: bytes) -> None:
        if self._full is None:
            try:
                self._writer.feed(piece)
            except BlobsFull as error:
                self._full = error
