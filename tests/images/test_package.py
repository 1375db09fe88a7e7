from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.package import Package, deb_entries, status_entry
from tests.waiting import PATIENCE

from .conftest import Deb

PACKAGE = Package("libx", "1:2.3-4", "amd64", "x", "0" * 64)


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives a function that replaces dpkg-deb by a shell script."""
    path = tmp_path / "bin" / "dpkg-deb"
    path.parent.mkdir()

    def write(text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")

    return write


def test_a_package_is_in_the_file_that_apt_makes_of_it() -> None:
    assert PACKAGE.file == "libx_1%3a2.3-4_amd64.deb"


def test_scanners_find_a_note_of_each_package() -> None:
    entry = status_entry(PACKAGE)
    text = b"Package: libx\nStatus: install ok installed\nSource: x\nVersion: 1:2.3-4\nArchitecture: amd64\n"
    assert entry.content is not None
    assert (entry.path, entry.kind, entry.mode) == ("var/lib/dpkg/status.d/libx", "file", 0o644)
    assert (entry.content.read(), entry.size) == (text, len(text))


def test_without_dpkg_it_says_where_to_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImageBuildFailed, match="dpkg-deb is not on this machine; build on Debian or Ubuntu"):
        list(deb_entries(tmp_path / "x.deb"))


def test_an_unpacking_that_takes_too_long_is_ended(
    tmp_path: Path, dpkg: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.images.package._SECONDS", 0.2)
    dpkg("exec sleep 60")
    began = time.monotonic()
    with pytest.raises(ImageBuildFailed, match=r"dpkg-deb cannot unpack x\.deb; delete it from"):
        list(deb_entries(tmp_path / "x.deb"))
    assert time.monotonic() - began < 10 * PATIENCE


def test_an_unpacking_that_fails_at_its_end_is_an_error(deb: Deb, dpkg: Callable[[str], None]) -> None:
    path = deb("one", {"usr/share/x": "x"})
    dpkg('/usr/bin/dpkg-deb "$@"; exit 2')
    with pytest.raises(ImageBuildFailed, match="dpkg-deb cannot unpack"):
        list(deb_entries(path))


def test_whoever_stops_reading_waits_for_nothing(deb: Deb, dpkg: Callable[[str], None]) -> None:
    path = deb("one", {"usr/share/x": "x"})
    dpkg('/usr/bin/dpkg-deb "$@"; exec sleep 60')
    entries = deb_entries(path)
    began = time.monotonic()
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 10 * PATIENCE
