from __future__ import annotations

import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.source import Source, _argv, fetch, source_entries

FILES = {"package/bin/x": "/usr/bin/x", "package/lib/": "/opt/x/"}
SOURCE = Source("npm", "thing", "1.0", "amd64", "0" * 64, FILES)


@pytest.fixture
def tgz(tmp_path: Path) -> Path:
    path = tmp_path / "thing-1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("package/bin/x", "package/lib/a/b", "package/README", "package/library"):
            member = tarfile.TarInfo(name)
            member.mode = 0o4777
            archive.addfile(member)
    return path


@pytest.fixture
def client(tmp_path: Path, tgz: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a fake npm that gives the archive. Gives the file in which npm records its calls."""
    calls = tmp_path / "calls"
    script = tmp_path / "bin" / "npm"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ncp {tgz} .\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return calls


def test_an_archive_is_fetched_once(tmp_path: Path, tgz: Path, client: Path) -> None:
    source = replace(SOURCE, sha256=sha256(tgz.read_bytes()).hexdigest())
    folder = tmp_path / "sources"
    folder.mkdir()
    assert fetch(source, folder) == fetch(source, folder)
    assert client.read_text().split()[:2] == ["pack", "--ignore-scripts"]
    assert client.read_text().count("thing@1.0") == 1
    assert len(list(folder.iterdir())) == 1


@pytest.mark.usefixtures("client")
def test_another_archive_than_the_pinned_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    with pytest.raises(ImageBuildFailed, match=r"thing 1\.0 is not what the recipe pins"):
        fetch(SOURCE, folder)
    assert not list(folder.iterdir())


def test_a_missing_client_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImageBuildFailed, match="npm is not on this machine; install the package npm"):
        fetch(SOURCE, tmp_path)


def test_files_and_folders_go_where_the_recipe_puts_them(tgz: Path) -> None:
    found = {entry.path: entry.mode for entry in source_entries(SOURCE, tgz)}
    assert found == {"/usr/bin/x": 0o755, "/opt/x/a/b": 0o755}


def test_a_wheel_without_modes_gets_the_executables_that_the_recipe_names(tmp_path: Path) -> None:
    path = tmp_path / "thing.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/run", "x")
        archive.writestr("thing/data", "xy")
        writable = zipfile.ZipInfo("thing/writable")
        writable.external_attr = 0o777 << 16
        archive.writestr(writable, "")
    source = replace(SOURCE, client="pip", files={"thing/": "/opt/"}, executables=("/opt/run",))
    found = {entry.path: (entry.mode, entry.size) for entry in source_entries(source, path)}
    assert found == {"/opt/run": (0o755, 1), "/opt/data": (0o600, 2), "/opt/writable": (0o755, 0)}


def test_a_file_that_the_archive_lacks_is_named(tgz: Path) -> None:
    with pytest.raises(ImageBuildFailed, match="has no package/nothing"):
        list(source_entries(replace(SOURCE, files={"package/nothing": "/x"}), tgz))


def test_a_wheel_is_downloaded_alone_and_never_built() -> None:
    argv = _argv(replace(SOURCE, client="pip"), "/folder")
    assert argv[-7:] == [
        *("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", "/folder", "thing==1.0")
    ]


def test_without_a_pip_of_its_own_the_one_on_the_path_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.images.source.importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    assert _argv(replace(SOURCE, client="pip"), "/folder")[0] == "pip"


def test_a_package_of_npm_is_packed_and_none_of_its_scripts_is_run() -> None:
    assert _argv(SOURCE, "/folder") == [
        *("npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", "/folder", "thing@1.0")
    ]
