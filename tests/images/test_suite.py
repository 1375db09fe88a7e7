"""A recipe may name a suite of Debian that the machine does not have itself."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from sandbox.images.debian import Debian
from sandbox.images.suite import foreign, sources_for

from .conftest import Deb, Publish

TARGETS = """\
http://one.example/debian/ bookworm main
http://one.example/debian/ bookworm-updates main
http://two.example/debian-security/ bookworm-security main
http://three.example/ nodistro main
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Makes this machine a Debian 12. Gives what it says of itself."""
    about = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: about)
    return about


@pytest.mark.usefixtures("machine")
def test_the_sources_of_a_suite_are_the_machines_own_with_its_name() -> None:
    found = sources_for("trixie", TARGETS)
    suites = [line.removeprefix("Suites: ") for line in found.splitlines() if line.startswith("Suites: ")]
    assert suites == ["trixie", "trixie-updates", "trixie-security"]
    assert "URIs: http://two.example/debian-security/\n" in found


@pytest.mark.usefixtures("machine")
def test_a_source_that_is_named_stable_is_one_of_debian_too() -> None:
    assert "Suites: trixie-updates\n" in sources_for("trixie", "http://one.example/ stable-updates main\n")


@pytest.mark.usefixtures("machine")
def test_packages_of_a_suite_are_signed_by_the_keys_of_debian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = tmp_path / "keyring.gpg"
    monkeypatch.setattr("sandbox.images.suite._KEYRING", keyring)
    assert "Signed-By" not in sources_for("trixie", TARGETS)
    keyring.touch()
    assert sources_for("trixie", TARGETS).count(f"Signed-By: {keyring}\n") == 3


@pytest.mark.parametrize(
    ("about", "suite", "used"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "trixie", "trixie"),
        ({"ID": "debian", "VERSION_CODENAME": "trixie"}, "trixie", None),
        ({"ID": "ubuntu", "VERSION_CODENAME": "noble"}, "trixie", None),
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, None, None),
    ],
)
def test_a_suite_counts_on_a_debian_of_another_suite_only(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, str], suite: str | None, used: str | None
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: about)
    assert foreign(suite) == used


def test_where_no_source_is_one_of_debian_the_machines_own_are_used(
    tmp_path: Path, deb: Deb, publish: Publish
) -> None:
    deb("top", {})
    publish()
    debian = Debian(tmp_path / "debian-trixie", "amd64", "trixie")
    debian.refresh()
    assert [package.name for package in debian.closure([["top"]], [])] == ["top"]


def test_packages_come_from_the_suite_and_not_from_the_machines_own(
    tmp_path: Path, deb: Deb, publish: Publish, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for suite, version in (("bookworm", "12"), ("trixie", "13")):
        path = deb("top", {}, version=version)
        publish()
        archive = tmp_path / "archive" / "dists" / suite / "main" / "binary-amd64"
        archive.mkdir(parents=True)
        (archive / "Packages").write_text((path.parent / "Packages").read_text())
        path.unlink()
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] copy:{tmp_path}/archive bookworm main\n")
    monkeypatch.setattr("sandbox.images.suite._KEYRING", tmp_path / "none")
    settings = tmp_path / "host-apt.conf"
    settings.write_text(f'{settings.read_text()}Acquire::AllowInsecureRepositories "true";\n')
    debian = Debian(tmp_path / "debian-trixie", "amd64", "trixie")
    debian.refresh()
    assert [package.version for package in debian.closure([["top"]], [])] == ["13"]
