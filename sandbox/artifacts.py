"""Brings back the files that a job left in `/workspace`."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from config import format_bytes
from config.globs import compile_glob, literal_start
from sandbox.payload import is_text
from sandbox.result import SkippedArtifact

__all__ = ["ArtifactCaps", "Collected", "collect_artifacts"]

# A list of what stayed behind is worth reading only up to a point.
_MOST_SKIPPED = 256
# As for the files that go in: what came back can be sent again.
_PATH_BYTES = 1024
# Of a path that is longer.
_SHOWN_CHARACTERS = 200
# What one header may take: a long name and a few extended attributes. tarfile reads it whole.
_HEADER_BYTES = 64 << 10
# About two seconds of a processor, for the archive's headers and for the patterns.
_MOST_MEMBERS = 1 << 16
_MOST_WORK = 1 << 22
# One more than can be right.
_MATCHED_CHARACTERS = _PATH_BYTES + 1
_LONG_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@dataclass(frozen=True, slots=True)
class ArtifactCaps:
    """The most that comes back: files, bytes of each, bytes in all, and folders that one may lie in."""

    files: int
    each_bytes: int
    total_bytes: int
    depth: int = 32


@dataclass(slots=True)
class Collected:
    """What came back, and what stayed behind."""

    files: dict[str, bytes] = field(default_factory=dict)
    skipped: list[SkippedArtifact] = field(default_factory=list)
    taken_bytes: int = 0
    cut_short: bool = False

    def keep(self, path: str, content: bytes) -> None:
        """Take `path` along."""
        self.files[path] = content
        self.taken_bytes += len(content)

    def skip(self, path: str, reason: str) -> None:
        """Note why `path` stays behind."""
        if len(self.skipped) < _MOST_SKIPPED:
            shown = path if len(path) <= _SHOWN_CHARACTERS else f"{path[:_SHOWN_CHARACTERS]}…"
            self.skipped.append(SkippedArtifact(shown.encode("utf-8", "replace").decode(), reason))


def collect_artifacts(pieces: Iterable[bytes], globs: Sequence[str], caps: ArtifactCaps) -> Collected:
    """The regular files that match `globs`, out of the pieces of a tar archive that a cell sent.

    Nothing is written anywhere, so that no name can lead anywhere.
    """
    collected = Collected()
    patterns = compile_glob(*globs)
    # What a job names outright it counts on: worth a word if no such file comes.
    missing = {glob: "no such file" for glob in globs if literal_start(glob) == glob}
    source = _Pieces(pieces)
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
                    _take(collected, archive, member, path, caps)
    except tarfile.TarError as error:
        collected.cut_short = True
        # Nothing at all is what BusyBox archives when there is nothing to archive.
        if source.taken_bytes:
            collected.skip("", f"the archive of /workspace is cut short: {error}")
    for path, reason in missing.items():
        if reason:
            collected.skip(path, reason)
    return collected


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """One after the other; tarfile itself would keep them all."""
    for _ in range(_MOST_MEMBERS):
        member = archive.next()
        if member is None:
            return
        yield member
        archive.members = []  # type: ignore[attr-defined]  # missing in its stub
    raise tarfile.ReadError(f"there are more than {_MOST_MEMBERS} files and folders")


class _Member(tarfile.TarInfo):
    """A header that is damaged or missing is an error, where tarfile would take it for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # missing in its stub
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Where tarfile lets a subclass decide by the kind of a header."""
        if self.type in _LONG_HEADERS and self.size > _HEADER_BYTES:
            raise tarfile.ReadError(f"a header is larger than {format_bytes(_HEADER_BYTES)}")
        member: tarfile.TarInfo | None = super()._proc_member(archive)  # type: ignore[misc]  # missing in its stub
        return member


def _take(
    collected: Collected, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, caps: ArtifactCaps
) -> None:
    # A second name of a file that came back already carries no bytes of its own.
    same = collected.files.get(member.linkname.removeprefix("./")) if member.islnk() else None
    obstacle = _obstacle(collected, member, path, caps, same)
    if obstacle:
        collected.skip(path, obstacle)
    elif same is not None:
        collected.keep(path, same)
    elif content := archive.extractfile(member):
        collected.keep(path, content.read())


def _obstacle(
    collected: Collected, member: tarfile.TarInfo, path: str, caps: ArtifactCaps, same: bytes | None
) -> str | None:
    """Why a file stays behind, if anything stands in its way."""
    size = member.size if same is None else len(same)
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
    if len(collected.files) >= caps.files:
        return f"more than {caps.files} files"
    if collected.taken_bytes + size > caps.total_bytes:
        return f"more than {format_bytes(caps.total_bytes)} in all"
    return None


def _is_safe(path: str) -> bool:
    """A job that forges its end sends an archive of its own making, and callers write to these names."""
    return is_text(path) and not path.startswith("/") and ".." not in path.split("/")


class _Pieces(io.RawIOBase):
    """A readable file over pieces of bytes as they arrive."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = bytearray()
        self._ended = False
        self.taken_bytes = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
            self.taken_bytes += len(piece)
        data = bytes(self._rest[:size])
        del self._rest[:size]
        if self._ended and not data:
            # To skip a file, tarfile reads block after block for as long as the file claims to be.
            raise tarfile.ReadError("unexpected end of data")
        self._ended = not data
        return data
