"""Trees of files that are made on this machine, such as compiled modules, and kept for later builds."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.images.entry import Entry, tar_entries

__all__ = ["fingerprint", "prepared", "prepared_entries"]


def fingerprint(*parts: object) -> str:
    """SHA-256 (hex) over everything that decides what a tree contains."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def prepared(key: str, folder: Path, make: Callable[[Path, Path], None]) -> Path:
    """The archive called `key` in `folder`, made unless it is there.

    `make` gets a folder for its own use, and an empty one for the tree. Whatever it raises is passed on.
    """
    kept = folder / f"{key}.tar"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            work, tree = Path(scratch, "work"), Path(scratch, "tree")
            work.mkdir()
            tree.mkdir()
            make(work, tree)
            _pack(tree, Path(scratch, "packed")).rename(kept)
    return kept


def prepared_entries(archive: Path) -> Iterator[Entry]:
    """What is in the archive, in the order of the paths."""
    with tarfile.open(archive, "r|") as tar:
        yield from tar_entries(tar)


def _pack(tree: Path, packed: Path) -> Path:
    with tarfile.open(packed, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(tree.rglob("*")):
            tar.add(path, path.relative_to(tree), recursive=False, filter=_plain)
    return packed


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the times and the owner of this machine's files, so that one tree always makes one archive."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
