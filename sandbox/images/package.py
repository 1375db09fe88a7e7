"""One Debian package: as the package lists describe it, and the files in it."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Timer
from typing import IO, Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.entry import Entry, tar_entries

__all__ = ["Package", "deb_entries", "install_script", "status_entry"]

_SECONDS: Final = 300


@dataclass(frozen=True, order=True)
class Package:
    """Name, version and architecture, the source package it was built from, and the .deb's SHA-256 (hex)."""

    name: str
    version: str
    architecture: str
    source: str
    sha256: str

    @property
    def file(self) -> str:
        """The name that apt gives the downloaded .deb."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def deb_entries(deb: Path) -> Iterator[Entry]:
    """What dpkg would unpack, in the .deb's order; no maintainer script is run.

    Raises ImageBuildFailed if dpkg-deb cannot read it or takes longer than 300 s.
    """
    with _archive(deb, "--fsys-tarfile") as archive:
        yield from tar_entries(archive)


def install_script(deb: Path) -> str:
    """The text of the script that dpkg would run after it has unpacked the package; empty if there is none.

    Raises ImageBuildFailed as `deb_entries` does.
    """
    with _archive(deb, "--ctrl-tarfile") as archive:
        for member in archive:
            if member.name in ("./postinst", "postinst") and (file := archive.extractfile(member)):
                return file.read().decode(errors="replace")
    return ""


@contextmanager
def _archive(deb: Path, part: str) -> Iterator[tarfile.TarFile]:
    try:
        with _unpacked(deb, part) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            yield archive
            # Read it to the end, because dpkg-deb would fail at a closed pipe.
            stream.read()
    except (tarfile.TarError, subprocess.CalledProcessError) as error:
        raise ImageBuildFailed(
            f"dpkg-deb cannot unpack {deb.name}; delete it from {deb.parent} and build again."
        ) from error
    except FileNotFoundError as error:
        raise ImageBuildFailed("dpkg-deb is not on this machine; build on Debian or Ubuntu.") from error


@contextmanager
def _unpacked(deb: Path, part: str) -> Iterator[IO[bytes]]:
    argv = ["dpkg-deb", part, str(deb)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        limit = Timer(_SECONDS, process.kill)
        limit.start()
        try:
            assert process.stdout is not None  # noqa: S101  asked for above
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        finally:
            limit.cancel()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)


def status_entry(package: Package) -> Entry:
    """The file about a package that vulnerability scanners look for in images without dpkg's own database."""
    text = (
        f"Package: {package.name}\nStatus: install ok installed\nSource: {package.source}\n"
        f"Version: {package.version}\nArchitecture: {package.architecture}\n"
    ).encode()
    return Entry(f"var/lib/dpkg/status.d/{package.name}", "file", 0o644, len(text), content=BytesIO(text))
