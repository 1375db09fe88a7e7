"""Brings back the files that a job left in `/workspace`."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING

from sandbox.result import Artifact, SkippedArtifact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Collected", "collect_artifacts"]

_MOST_FILES = 256
_MOST_SKIPPED = 256


@dataclass(slots=True)
class Collected:
    """What came back, and what stayed behind."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    skipped: list[SkippedArtifact] = field(default_factory=list)
    taken_bytes: int = 0

    def skip(self, path: str, reason: str) -> None:
        """Note why `path` stays behind; the list itself is bounded too."""
        if len(self.skipped) < _MOST_SKIPPED:
            self.skipped.append(SkippedArtifact(path, reason))


def collect_artifacts(pieces: Iterable[bytes], globs: Iterable[str], most_bytes: int) -> Collected:
    """The regular files that match `globs`, out of the pieces of a tar archive that a cell sent.

    At most `most_bytes` in all. Nothing is written anywhere, so that no name can lead anywhere.
    """
    collected = Collected()
    patterns = [re.compile(translate(glob)) for glob in globs]
    try:
        with tarfile.open(fileobj=_Pieces(pieces), mode="r|", errorlevel=0) as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                if any(pattern.fullmatch(path) for pattern in patterns):
                    _take(collected, archive, member, path, most_bytes)
    except tarfile.TarError as error:
        collected.skip("", f"the archive of /workspace is cut short: {error}")
    return collected


def _take(
    collected: Collected, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, most_bytes: int
) -> None:
    if member.isdir():
        return
    if not _is_safe(path):
        collected.skip(path.encode("utf-8", "replace").decode(), "not a name under /workspace, in UTF-8")
    elif not member.isreg():
        collected.skip(path, "not a regular file")
    elif len(collected.artifacts) >= _MOST_FILES:
        collected.skip(path, f"more than {_MOST_FILES} files")
    elif collected.taken_bytes + member.size > most_bytes:
        collected.skip(path, f"more than {most_bytes} bytes in all")
    elif content := archive.extractfile(member):
        data = content.read()
        collected.taken_bytes += len(data)
        collected.artifacts[path] = Artifact(len(data), base64.b64encode(data).decode())


def _is_safe(path: str) -> bool:
    """A job that forges its end sends an archive of its own making, and callers write to these names."""
    if path.startswith("/") or ".." in path.split("/"):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in path)


class _Pieces(io.RawIOBase):
    """A readable file over pieces of bytes as they arrive."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = bytearray()

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data
