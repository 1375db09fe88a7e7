"""One path of a root file system on its way from a package into a layer."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Literal

from sandbox.errors import ImageBuildFailed

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator

__all__ = ["Entry", "Kind", "normal", "placed", "tar_entries"]

Kind = Literal["directory", "file", "symlink", "hardlink"]

_MERGED = frozenset({"bin", "sbin", "lib", "lib64"})


@dataclass(frozen=True)
class Entry:
    """A path relative to the root, its kind, and for a file the stream of its `size` bytes."""

    path: str
    kind: Kind
    mode: int = 0o644
    size: int = 0
    target: str = ""
    content: IO[bytes] | None = None


def normal(name: str) -> str:
    """The path relative to the root, without `./`; the root itself is the empty string.

    Raises ImageBuildFailed for a name that contains `..` or a NUL.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise ImageBuildFailed(f"A package holds the path {name!r}, which leaves the root; leave it out.")
    return "/".join(parts)


def placed(entry: Entry) -> Entry | None:
    """The entry moved into /usr if it is in /bin, /sbin, /lib or /lib64; None for those four and the root."""
    path = normal(entry.path)
    if not path or path in _MERGED:
        return None
    target = entry.target
    if entry.kind == "hardlink":
        target = _merged(normal(target))
    elif entry.kind == "symlink" and _merged(path) != path and not target.startswith("/"):
        target = _retargeted(path, target)
    return replace(entry, path=_merged(path), target=target)


def tar_entries(archive: tarfile.TarFile) -> Iterator[Entry]:
    """The members in the archive's order; a file's stream is valid until the next entry is read.

    Only the owner may write, nothing is setuid. Raises ImageBuildFailed for a device or a fifo.
    """
    for member in archive:
        mode = member.mode & 0o755
        if member.isdir():
            yield Entry(member.name, "directory", mode)
        elif member.issym():
            yield Entry(member.name, "symlink", 0o777, target=member.linkname)
        elif member.islnk():
            yield Entry(member.name, "hardlink", mode, target=member.linkname)
        elif member.isreg():
            yield Entry(member.name, "file", mode, member.size, content=archive.extractfile(member))
        else:
            raise ImageBuildFailed(
                f"A package holds {member.name!r}, which is no file, folder or link; leave it out."
            )


def _merged(path: str) -> str:
    return f"usr/{path}" if path.partition("/")[0] in _MERGED else path


def _retargeted(path: str, target: str) -> str:
    """The relative target, rewritten for a link that has moved one level down into /usr."""
    meant = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).lstrip("/")
    return posixpath.relpath(_merged(meant) or ".", posixpath.dirname(_merged(path)))
