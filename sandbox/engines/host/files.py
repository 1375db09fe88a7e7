"""A job's folder on the host: writes its files and its workspace, and archives what it left."""

from __future__ import annotations

import io
import os
import posixpath
import subprocess
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.archive_reader import PiecesReader
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import StrOrBytesPath

    from sandbox.blobs import Source
    from sandbox.job import Job

__all__ = ["archive_of", "write_files"]

_READ_BYTES = 256 << 10
_READABLE = (
    r'find "$0" -type d ! -perm -500 -exec chmod u+rx {} \; -o -type f ! -perm -400 -exec chmod u+r {} +'
)
_KINDS = (
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
)


def write_files(folder: Path, job: Job) -> None:
    """Write what the job finds in its folder at its start.

    Raises:
        OSError: the host has no room for it.
        InvalidJob: the workspace is no archive that may be unpacked here, or a content is damaged.
        BlobsUnavailable: the blob store does not answer.
    """
    if job.workspace:
        _unpack(folder, job.workspace)
    for path, content in job.files.items():
        _write(folder / path, [content])
    for path, source in job.sources.items():
        _write(folder / path, source.pieces())


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # As in a cell: not into the file that a link of the workspace leads to.
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.writelines(pieces)
    target.chmod(0o755)


def _unpack(folder: Path, workspace: Source) -> None:
    pieces = iter(workspace.pieces())
    try:
        with _Archive.open(fileobj=PiecesReader(pieces), mode="r|") as archive:
            # Checked one by one: a filter, as the library calls it, is known since Python 3.11.4.
            archive.extractall(folder, (_within(member, folder) for member in archive))  # noqa: S202
        for _ in pieces:
            """The digest is checked behind the last piece."""
    except (tarfile.TarError, ValueError) as error:
        raise InvalidJob("workspace: it is no whole tar archive of files under /workspace.") from error


class _Archive(tarfile.TarFile):
    """Gives files and links their exact time. The library rounds that of a file, and leaves out a link's."""

    # Every member is checked before, and keeps its mode. Newer libraries change what has no filter.
    extraction_filter = staticmethod(lambda member, _: member)

    def makelink(self, tarinfo: tarfile.TarInfo, targetpath: StrOrBytesPath) -> None:
        super().makelink(tarinfo, targetpath)
        if tarinfo.issym():
            self.utime(tarinfo, targetpath)

    def utime(self, tarinfo: tarfile.TarInfo, targetpath: StrOrBytesPath) -> None:
        ns = int(Decimal(tarinfo.pax_headers.get("mtime", tarinfo.mtime)) * 10**9)
        os.utime(targetpath, ns=(ns, ns), follow_symlinks=False)


def _within(member: tarfile.TarInfo, folder: Path) -> tarfile.TarInfo:
    """The member, if neither its name nor its hard link leads out of the folder.

    Raises:
        tarfile.TarError: it does, or it is a device.
    """
    member.name = member.name.lstrip("/")
    inside = os.path.realpath(folder)
    for path in (member.name, *([member.linkname] if member.islnk() else [])):
        if os.path.commonpath([inside, os.path.realpath(os.path.join(inside, path))]) != inside:  # noqa: PTH118
            raise tarfile.TarError("a name leads out of the folder")
    if member.type not in _KINDS:
        raise tarfile.TarError("a special file")
    return member


def archive_of(folder: Path, *, exact: bool = False) -> Iterator[bytes]:
    """A tar archive, made in pieces on demand, because a sparse file may be larger than the memory.

    `exact`: with the whole time of each file, and not only its seconds.
    """
    # As in a cell, files that the job made unreadable are archived too.
    readable = ("/bin/sh", "-c", _READABLE if exact else 'chmod -R u+rX "$0"', folder)
    subprocess.run(readable, stderr=subprocess.DEVNULL, check=False)
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        for path in (folder, *sorted(folder.rglob("*"))):
            name = posixpath.join(".", path.relative_to(folder))
            # A socket gets no header.
            member = archive.gettarinfo(path, name)
            if member and (os.access(path, os.R_OK) or not member.isreg()):
                yield (
                    _exact(member, path)
                    if exact
                    else member.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")
                )
                yield from _padded(path, member.size) if member.isreg() else ()
    yield bytes(2 * tarfile.BLOCKSIZE)


def _exact(member: tarfile.TarInfo, path: Path) -> bytes:
    """The member's header, with the whole of its time."""
    seconds, ns = divmod(path.lstat().st_mtime_ns, 10**9)
    member.mtime = seconds
    if ns:
        member.pax_headers = {"mtime": f"{seconds}.{ns:09}"}
    return member.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")


def _padded(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            yield piece
    yield bytes(-size % tarfile.BLOCKSIZE)
