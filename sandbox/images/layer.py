"""Merge the file trees of packages into one reproducible layer, without unpacking anything on disk."""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BufferedRandom, BytesIO
from typing import Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.entry import Entry, Kind, placed
from sandbox.images.finish import Finish, Joining
from sandbox.images.skeleton import skeleton
from sandbox.images.trim import Trim

__all__ = ["EPOCH", "Layer", "write_layer"]

# Not zero: zip files, and so Python's zipfile, refuse times before 1980.
EPOCH: Final = 1_704_067_200
_TYPES: Final[dict[Kind, bytes]] = {
    "directory": tarfile.DIRTYPE,
    "file": tarfile.REGTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
}


@dataclass(frozen=True)
class Layer:
    """A written layer: the SHA-256 of its tar (hex) and the tar's size in bytes."""

    sha256: str
    size: int


def write_layer(
    out: BufferedRandom | BytesIO,
    trees: Iterable[Iterable[Entry]],
    trim: Trim,
    finish: Finish,
) -> Layer:
    """Write skeleton, scripts, trees and what finishes them to `out` as one tar, in the order given.

    All entries have the same owner and time, and none is setuid or setgid. Of several entries with one path,
    only the first is written. Raises ImageBuildFailed if the trees cannot be merged.
    """
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        writer, joining = _Writer(archive), Joining(finish.joined)
        for entry in skeleton():
            writer.add(entry)
        for program in finish.programs():
            writer.add(program)
        for tree in trees:
            for entry in tree:
                home = placed(entry)
                if home and not trim.drops(home.path):
                    writer.add(joining.seen(home))
        for file in joining.files():
            writer.add(file)
        for path, target in finish.symlinks.items():
            writer.link(path.lstrip("/"), target)
        for path, target in finish.alternatives.items():
            link = placed(Entry(path, "symlink", 0o777, target=target))
            if link and not trim.drops(link.path):
                writer.link_if_there(link)
    size = out.tell()
    out.seek(0)
    return Layer(hashlib.file_digest(out, "sha256").hexdigest(), size)


class _Writer:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._kinds: dict[str, Kind] = {}

    def add(self, entry: Entry) -> None:
        """Write the entry and the folders above it, unless the path is taken."""
        if entry.path in self._kinds:
            return
        self._add_parents(entry.path)
        if entry.kind == "hardlink" and self._kinds.get(entry.target) != "file":
            raise ImageBuildFailed(
                f"/{entry.path} is a hard link to /{entry.target}, which the image does not have; "
                "let the recipe drop both or neither."
            )
        self._kinds[entry.path] = entry.kind
        self._archive.addfile(_header(entry), entry.content)

    def link(self, path: str, target: str) -> None:
        """Add a symlink of the recipe. A glob as its target means the first path that matches."""
        found = sorted(fnmatch.filter(self._kinds, target.lstrip("/")))
        if not found:
            raise ImageBuildFailed(
                f"The recipe links /{path} to {target}, but no package brings that; correct the recipe."
            )
        if path not in self._kinds:
            self.add(Entry(path, "symlink", 0o777, target=f"/{found[0]}"))

    def link_if_there(self, link: Entry) -> None:
        """Add a symlink with an absolute target, unless that is not there or the link's path is taken."""
        target = placed(replace(link, path=link.target))
        if target and target.path in self._kinds:
            self.add(link)

    def _add_parents(self, path: str) -> None:
        parent = posixpath.dirname(path)
        if not parent:
            return
        if parent not in self._kinds:
            self.add(Entry(parent, "directory", 0o755))
        elif self._kinds[parent] != "directory":
            raise ImageBuildFailed(
                f"/{path} is below /{parent}, which is no folder; let the recipe drop one of them."
            )


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path)
    header.type = _TYPES[entry.kind]
    header.mode, header.size, header.linkname = entry.mode, entry.size, entry.target
    header.mtime = EPOCH
    return header
