from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.debian import Debian
from sandbox.images.package import Package
from sandbox.images.progress import silent

from .conftest import Deb, Publish


def names(packages: tuple[Package, ...]) -> list[str]:
    return [package.name for package in packages]


def test_a_closure_has_what_the_packages_depend_on_whatever_the_host_has(
    deb: Deb,
    publish: Publish,
    debian: Debian,
) -> None:
    deb("base-files", {})
    deb("top", {}, depends="base-files")
    deb("unrelated", {})
    publish()
    debian.refresh()
    assert names(debian.closure([["top"]], [])) == ["base-files", "top"]


def test_excluded_packages_are_left_out(deb: Deb, publish: Publish, debian: Debian) -> None:
    deb("libcrypt1", {})
    deb("perl-base", {}, depends="libcrypt1")
    deb("top", {}, depends="perl-base")
    publish()
    debian.refresh()
    assert names(debian.closure([["top"]], ["perl*"])) == ["top"]


def test_the_first_available_alternative_is_taken(deb: Deb, publish: Publish, debian: Debian) -> None:
    deb("jdk-17", {})
    deb("jdk-11", {})
    publish()
    debian.refresh()
    assert names(debian.closure([["jdk-21", "jdk-17", "jdk-11"]], [])) == ["jdk-17"]


def test_a_package_that_nobody_has_is_named(deb: Deb, publish: Publish, debian: Debian) -> None:
    deb("jdk-17", {})
    publish()
    debian.refresh()
    with pytest.raises(ImageBuildFailed, match="no package jdk-21 or jdk-25"):
        debian.closure([["jdk-21", "jdk-25"]], [])


def test_a_downloaded_package_is_still_in_the_next_closure(
    deb: Deb,
    publish: Publish,
    debian: Debian,
) -> None:
    deb("top", {})
    publish()
    debian.refresh()
    packages = debian.closure([["top"]], [])
    (path,) = debian.download(packages, silent)
    assert path.exists()
    assert debian.closure([["top"]], []) == packages


def test_a_damaged_download_is_deleted(deb: Deb, publish: Publish, debian: Debian) -> None:
    deb("top", {})
    publish()
    debian.refresh()
    packages = debian.closure([["top"]], [])
    (path,) = debian.download(packages, silent)
    path.write_bytes(b"damaged")
    with pytest.raises(ImageBuildFailed, match="damaged"):
        debian.download(packages, silent)
    assert not path.exists()


def test_an_archive_that_does_not_answer_is_an_error_with_advice(debian: Debian, tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb [trusted=yes] copy:/nowhere ./\n")
    with pytest.raises(ImageBuildFailed, match="see that `apt-get update` works"):
        debian.refresh()


def test_a_machine_without_apt_is_told_what_it_takes(
    debian: Debian,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImageBuildFailed, match=r"apt-get is not on this machine.*Debian or Ubuntu"):
        debian.refresh()


def test_the_fingerprint_changes_with_the_package_lists(deb: Deb, publish: Publish, debian: Debian) -> None:
    assert debian.fingerprint() == ""
    deb("one", {})
    publish()
    debian.refresh()
    before = debian.fingerprint()
    deb("two", {})
    publish()
    debian.refresh()
    assert "" != before != debian.fingerprint()


def test_progress_counts_packages_and_those_that_are_here(deb: Deb, publish: Publish, debian: Debian) -> None:
    deb("one", {})
    deb("two", {}, depends="one")
    publish()
    debian.refresh()
    debian.download(debian.closure([["one"]], []), silent)
    told: list[tuple[str, int, int]] = []
    paths = debian.download(debian.closure([["two"]], []), lambda *step: told.append(step))
    assert told == [("download", 1, 2), ("download", 2, 2)]
    assert all(path.exists() for path in paths)
