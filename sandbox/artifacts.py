"""Brings back the files that a job left in `/workspace`."""

from __future__ import annotations

import tarfile
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Self

from config import format_bytes
from config.globs import compile_glob, literal_start
from sandbox.archive_reader import PiecesReader
from sandbox.blobs import Blob, BlobStore, write_blob
from sandbox.errors import BlobsFull
from sandbox.payload import is_text
from sandbox.result import SkippedArtifact

__all__ = ["MOST_SKIPPED", "ArtifactCaps", "Collected", "collect_artifacts"]

#: The most skipped files that a result names: nobody reads a longer list.
MOST_SKIPPED = 256
# The same limit as for a job's input files, so that a caller can send an artifact as one.
_PATH_BYTES = 1024
# A longer path is cut to this length in the list of skipped files.
_SHOWN_CHARACTERS = 200
# The largest header: room for a long name and a few extended attributes. tarfile reads it into memory.
_HEADER_BYTES = 64 << 10
# The most work on the archive's headers and on the patterns: about two seconds of processor time.
_MOST_MEMBERS = 1 << 16
_MOST_WORK = 1 << 22
# A path with more characters is refused anyway, so that the rest of it need not be matched.
_MATCHED_CHARACTERS = _PATH_BYTES + 1
_PIECE_BYTES = 256 << 10
_LONG_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@dataclass(frozen=True, slots=True)
class ArtifactCaps:
    """What may come back at most: number of files, bytes of each, bytes in all, and depth in folders."""

    files: int
    each_bytes: int
    total_bytes: int
    depth: int = 32


@dataclass(slots=True)
class Collected:
    """The files that came back, and the skipped ones with their reasons; both are the first ones by name.

    An archive has its files in any order. So a file that is too much pushes out the last one by name, and
    everything behind that one stays out. `unnamed` counts the skipped paths that are not listed.
    """

    files: dict[str, bytes | Blob] = field(default_factory=dict)
    skipped: list[SkippedArtifact] = field(default_factory=list)
    unnamed: int = 0
    taken_bytes: int = 0
    cut_short: bool = False
    _names: list[str] = field(default_factory=list)
    _end: str | None = None
    _end_reason: str = ""

    def refusal(self, path: str) -> str | None:
        """Why no file of this name is wanted any more; None if it is."""
        return self._end_reason if self._end is not None and path >= self._end else None

    def keep(self, path: str, content: bytes | Blob, caps: ArtifactCaps) -> None:
        """Add the file `path`, and push out the last ones by name if there are too many or too much."""
        if (old := self.files.pop(path, None)) is not None:
            self._names.remove(path)
            self.taken_bytes -= _size(old)
        insort(self._names, path)
        self.files[path] = content
        self.taken_bytes += _size(content)
        while reason := self._excess(caps):
            self._end, self._end_reason = self._names.pop(), reason
            self.taken_bytes -= _size(self.files.pop(self._end))
            self.skip(self._end, reason)

    def skip(self, path: str, reason: str) -> None:
        """Note why `path` is skipped."""
        shown = path if len(path) <= _SHOWN_CHARACTERS else f"{path[:_SHOWN_CHARACTERS]}…"
        skipped = SkippedArtifact(shown.encode("utf-8", "replace").decode(), reason)
        # What is said of the whole archive has no path, and comes last.
        insort(self.skipped, skipped, key=lambda one: (not one.path, one.path))
        if len(self.skipped) > MOST_SKIPPED:
            self.skipped.pop()
            self.unnamed += 1

    def _excess(self, caps: ArtifactCaps) -> str | None:
        if len(self.files) > caps.files:
            return f"more than {caps.files} files"
        if self.taken_bytes > caps.total_bytes:
            return f"more than {format_bytes(caps.total_bytes)} in all"
        return None


def collect_artifacts(
    pieces: Iterable[bytes], globs: Sequence[str], caps: ArtifactCaps, store: BlobStore | None = None
) -> Collected:
    """The regular files that match `globs` in a tar archive, which a cell sends in pieces.

    Each goes to `store`, if there is one, else into memory. Nothing is written to disk, so that no path in
    the archive can do harm here.

    Raises:
        BlobsUnavailable: the store does not answer.
    """
    collected = Collected()
    patterns = compile_glob(*globs)
    # A glob without wildcards names one file. The result says so if that file does not come.
    missing = {glob: "no such file" for glob in globs if literal_start(glob) == glob}
    source = PiecesReader(pieces)
    try:
        with tarfile.open(fileobj=source, mode="r|", tarinfo=_Member) as archive:
            for member in _members(archive):
                path = member.name.removeprefix("./")
                if path in missing:
                    missing[path] = f"a folder; ask for {path}/" if member.isdir() else ""
                if patterns.work > _MOST_WORK:
                    collected.skip(
                        "", "there are too many files for these patterns: the others were not read"
                    )
                    break
                if not member.isdir() and patterns.fullmatch(path[:_MATCHED_CHARACTERS]):
                    _take(collected, archive, member, path, caps, store)
    except tarfile.TarError as error:
        collected.cut_short = True
        # If there is nothing to archive, BusyBox sends no bytes at all.
        if source.taken_bytes:
            collected.skip("", f"the archive of /workspace is cut short: {error}")
    for path, reason in missing.items():
        if reason:
            collected.skip(path, reason)
    return collected


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """One member after the other. The list in which tarfile would keep all of them is emptied."""
    for _ in range(_MOST_MEMBERS):
        member = archive.next()
        if member is None:
            return
        yield member
        archive.members = []  # type: ignore[attr-defined]  # missing in its stub
    raise tarfile.ReadError(f"there are more than {_MOST_MEMBERS} files and folders")


class _Member(tarfile.TarInfo):
    """Raises ReadError for a damaged or missing header, which tarfile would take for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # missing in its stub
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        """The hook in which tarfile handles each header: raises ReadError if a long name is too large."""
        if self.type in _LONG_HEADERS and self.size > _HEADER_BYTES:
            raise tarfile.ReadError(f"a header is larger than {format_bytes(_HEADER_BYTES)}")
        member: tarfile.TarInfo | None = super()._proc_member(archive)  # type: ignore[misc]  # missing in its stub
        return member


def _take(
    collected: Collected,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    path: str,
    caps: ArtifactCaps,
    store: BlobStore | None,
) -> None:
    # A hard link to a file that has come back already has no bytes of its own.
    same = collected.files.get(member.linkname.removeprefix("./")) if member.islnk() else None
    obstacle = _obstacle(member, path, caps, same) or collected.refusal(path)
    if obstacle:
        collected.skip(path, obstacle)
    elif same is not None:
        collected.keep(path, same, caps)
    elif content := archive.extractfile(member):
        try:
            collected.keep(path, _stored(content, store) if store else content.read(), caps)
        except BlobsFull as error:
            collected.skip(path, str(error))


def _stored(content: IO[bytes], store: BlobStore) -> Blob:
    return write_blob(store, iter(lambda: content.read(_PIECE_BYTES), b""))


def _size(content: bytes | Blob) -> int:
    return content.size if isinstance(content, Blob) else len(content)


def _obstacle(
    member: tarfile.TarInfo, path: str, caps: ArtifactCaps, same: bytes | Blob | None
) -> str | None:
    """Why a file is skipped; None if it is not."""
    size = member.size if same is None else _size(same)
    if not _is_safe(path):
        return "not a name under /workspace, in UTF-8"
    if len(path.encode()) > _PATH_BYTES:
        return f"its path is longer than {_PATH_BYTES} bytes"
    if not member.isreg() and same is None:
        return "not a regular file"
    if path.count("/") > caps.depth:
        return f"deeper than {caps.depth} folders"
    if size > caps.each_bytes:
        return f"larger than {format_bytes(caps.each_bytes)}"
    if size > caps.total_bytes:
        return f"more than {format_bytes(caps.total_bytes)} in all"
    return None


def _is_safe(path: str) -> bool:
    """Whether callers can safely write to `path`: a job that forges its end can send any archive."""
    return is_text(path) and not path.startswith("/") and ".." not in path.split("/")
