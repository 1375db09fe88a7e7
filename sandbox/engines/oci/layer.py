"""Unpacks the layers of an image, of which nobody knows who made them, into a folder of the host.

Nothing is written outside of that folder, whatever the paths and links in a layer are. Every user of the host
can enter the folder, so what would give one of them rights is left out too.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

__all__ = ["make_folder", "unpack_layer"]

# A layer writes that a file of an earlier layer is gone by an empty file with this prefix.
_GONE = ".wh."
_ALL_GONE = ".wh..wh..opq"
_CHUNK_BYTES = 1 << 20
# The kernel follows no more links in one path.
_MOST_LINKS = 40
# Python removes a tree by recursion.
_DEEPEST = 200


def unpack_layer(layer: IO[bytes], root: Path) -> None:
    """Unpack a layer, a tar archive, over the earlier layers in the folder `root`.

    All files get the owner of this process, their own times, and no right to write for others.

    Raises:
        ValueError, OverflowError, tarfile.TarError: the layer is malformed.
        OSError: there is no room.
    """
    fresh: set[Path] = set()
    with tarfile.open(fileobj=layer, mode="r|") as archive:
        for member in archive:
            with _sensible(member.name):
                place = _place(root, member.name)
                if place.name.startswith(_GONE):
                    _white_out(place, fresh)
                elif place != root and _unpack(archive, member, place, root):
                    fresh.update((place, *place.parents))


def make_folder(root: Path, path: str) -> Path:
    """The folder at `path` in the image, made if it is not there. Its links are followed within the image."""
    with _sensible(path):
        folder = _bounded(_follow(root, path.split("/")), root)
        _make_folders(folder)
    return folder


@contextmanager
def _sensible(path: str) -> Iterator[None]:
    """Turn an error for a path that can't be, such as one below a file, into a ValueError."""
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{path!r}: {error.strerror}") from error


def _place(root: Path, path: str) -> Path:
    """Where a member of a layer goes. Only the links of its folders are followed.

    No other process changes the folder meanwhile, so what was followed stays as it was.
    """
    *folders, name = [part for part in path.split("/") if part not in ("", ".")] or [""]
    if name == "..":
        raise ValueError(f"a file has the path {path!r}")
    # stops: writing outside of the folder by a path with `..`, or through a link of an earlier layer.
    return _bounded(_follow(root, folders) / name, root)


def _bounded(place: Path, root: Path) -> Path:
    if len(place.parts) - len(root.parts) > _DEEPEST:
        raise ValueError(f"folders are nested more than {_DEEPEST} deep")
    return place


def _follow(root: Path, parts: list[str]) -> Path:
    """The folder that a process with this root would reach by the path. `..` of the root is the root."""
    here, pending, links = root, parts[::-1], 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = here if here == root else here.parent
        elif (there := here / part).is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise ValueError("links lead in a circle")
            target = str(there.readlink())
            here = root if target.startswith("/") else here
            pending += target.split("/")[::-1]
        else:
            here = there
    return here


def _white_out(mark: Path, fresh: set[Path]) -> None:
    """Remove what a mark of this layer says is gone, but nothing that this layer has brought itself."""
    name = mark.name.removeprefix(_GONE)
    if mark.name == _ALL_GONE:
        _clear(mark.parent, fresh)
    elif name in ("", ".", ".."):
        raise ValueError(f"a layer removes {name!r}")
    else:
        _hide(mark.with_name(name), fresh)


def _clear(folder: Path, fresh: set[Path]) -> None:
    if _is_folder(folder):
        for path in folder.iterdir():
            _hide(path, fresh)


def _hide(path: Path, fresh: set[Path]) -> None:
    if path in fresh:
        _clear(path, fresh)
    else:
        _remove(path)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path, root: Path) -> bool:
    """Write one member. Returns whether it is of a kind that is kept."""
    # stops: a device that every user of the host may use; a pipe in which two cells can talk.
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return False
    _make_folders(place.parent)
    if not (member.isdir() and _is_folder(place)):
        _remove(place)
    if member.issym():
        place.symlink_to(member.linkname)
    elif member.islnk():
        os.link(_place(root, member.linkname), place, follow_symlinks=False)
    elif member.isdir():
        place.mkdir(exist_ok=True)
        place.chmod(0o700 | _mode(member))
    else:
        _write(archive, member, place)
    return True


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    content = archive.extractfile(member)
    with place.open("xb") as file:
        if content is not None:
            shutil.copyfileobj(content, file, _CHUNK_BYTES)
    place.chmod(_mode(member))
    # Python uses compiled code only if the source's time is the one that is noted in it.
    os.utime(place, (member.mtime, member.mtime))


def _mode(member: tarfile.TarInfo) -> int:
    # stops: becoming root on the host by a setuid file; changing the programs of all cells.
    return member.mode & 0o755


def _make_folders(folder: Path) -> None:
    """Make the folder and those above it, for all users whatever the umask is."""
    if not _is_folder(folder):
        _make_folders(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
