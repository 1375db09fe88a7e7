"""Packages of Python and of Node are pinned by a lock, and installed from it without a network."""

from __future__ import annotations

import json
import sys
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from config import Runtime
from sandbox.errors import ImageBuildFailed
from sandbox.images.library import Target, target_of
from sandbox.images.lock import lock_packages, locked
from sandbox.images.npm_packages import wanted_modules
from sandbox.images.package import Package
from sandbox.images.pip_packages import install_wheels, lock_wheels

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Wheel


class Web(SimpleHTTPRequestHandler):
    """Serves the files of a folder, and lets nobody rely on what was served before."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


TARGET = Target("3.11", 36, "amd64")
LONG = "x" * 150


def data(*packages: str) -> Runtime:
    return Runtime(name="data", image="x", extends="python", packages={"pip": packages})  # type: ignore[arg-type]


def pinned(lock: str) -> list[str]:
    return [
        line.removesuffix(" \\") for line in lock.splitlines() if "==" in line and not line.startswith("#")
    ]


def test_a_lock_pins_the_newest_that_is_allowed_and_what_that_needs(wheel: Wheel, tmp_path: Path) -> None:
    path = wheel("top", "1.5", needs="below")
    wheel("top", "2.0")
    below = wheel("below", "3")
    lock = lock_wheels(["top==1.*"], TARGET, tmp_path)
    assert pinned(lock) == ["below==3", "top==1.5"]
    for one in (path, below):
        assert f"--hash=sha256:{sha256(one.read_bytes()).hexdigest()}" in lock


@pytest.mark.parametrize(
    ("target", "version"),
    [
        (Target("3.11", 36, "amd64"), "1"),
        (Target("3.11", 37, "amd64"), "2"),
        (Target("3.12", 36, "amd64"), "3"),
        (Target("3.11", 36, "arm64"), "4"),
    ],
)
def test_a_lock_is_made_for_the_image_and_not_for_this_machine(
    wheel: Wheel, tmp_path: Path, target: Target, version: str
) -> None:
    wheel("top", "1", "cp311-cp311-manylinux_2_36_x86_64")
    wheel("top", "2", "cp311-cp311-manylinux_2_37_x86_64")
    wheel("top", "3", "cp312-cp312-manylinux_2_36_x86_64")
    wheel("top", "4", "cp311-cp311-manylinux_2_36_aarch64")
    assert pinned(lock_wheels(["top"], target, tmp_path)) == [f"top=={version}"]


def test_a_package_with_no_wheel_is_refused_in_uvs_words(wheel: Wheel, tmp_path: Path) -> None:
    wheel("top", "4", "cp311-cp311-manylinux_2_36_aarch64")
    with pytest.raises(ImageBuildFailed, match=r"^uv failed \(Because .*; correct `packages`, or see"):
        lock_wheels(["top"], TARGET, tmp_path)


def test_a_lock_is_beside_the_catalogue_and_counts_for_its_packages_only(
    wheel: Wheel, tmp_path: Path
) -> None:
    wheel("top", "1")
    (written,) = lock_packages(data("top"), TARGET, tmp_path, tmp_path)
    assert written == tmp_path / "data.pip.lock"
    assert [library.lock for library in locked(data("top"), tmp_path)] == [written.read_text()]
    with pytest.raises(ImageBuildFailed, match=r"is for other packages than .* images lock data"):
        locked(data("top", "more"), tmp_path)


def test_without_a_lock_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ImageBuildFailed, match=r"There is no lock .*data\.pip\.lock .* images lock data"):
        locked(data("top"), tmp_path)


def test_a_lock_that_cannot_be_written_is_one_sentence(wheel: Wheel, tmp_path: Path) -> None:
    wheel("top", "1")
    with pytest.raises(ImageBuildFailed, match=r"data\.pip\.lock cannot be written \(No such file"):
        lock_packages(data("top"), TARGET, tmp_path / "none", tmp_path)


def test_wheels_that_were_fetched_once_need_no_index(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wheel("top", "1")
    page = tmp_path / "web" / "top" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{path.name}">{path.name}</a>')
    path.rename(page.with_name(path.name))
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Web, directory=tmp_path / "web")) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}/")
        Thread(target=server.serve_forever, daemon=True).start()
        lock = lock_wheels(["top"], TARGET, tmp_path)
        install_wheels(lock, TARGET, tmp_path / "first", tmp_path / "programs", tmp_path / "cache")
        server.shutdown()
    install_wheels(lock, TARGET, tmp_path / "second", tmp_path / "programs", tmp_path / "cache")
    assert (tmp_path / "second" / "top.py").read_text() == "answer = 42\n"


def test_another_wheel_than_the_locked_one_is_refused(wheel: Wheel, tmp_path: Path) -> None:
    wheel("top", "1")
    lock = lock_wheels(["top"], TARGET, tmp_path)
    wheel("top", "1", program="changed")
    (tmp_path / "root").mkdir()
    with pytest.raises(ImageBuildFailed, match="uv failed"):
        install_wheels(lock, TARGET, tmp_path / "root/site", tmp_path / "root/bin", tmp_path / "cache")


def test_a_lock_without_a_hash_is_refused(wheel: Wheel, tmp_path: Path) -> None:
    wheel("top", "1")
    with pytest.raises(ImageBuildFailed, match=r"uv failed \(.*hash"):
        install_wheels("top==1\n", TARGET, tmp_path / "site", tmp_path / "programs", tmp_path / "cache")


@pytest.mark.parametrize("folder", ["short", LONG])
def test_a_program_of_a_wheel_starts_with_the_images_python(
    wheel: Wheel, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    wheel("top", "1", program="greet")
    lock = lock_wheels(["top"], TARGET, tmp_path)
    monkeypatch.setattr("sys.executable", str(python))
    install_wheels(lock, TARGET, tmp_path / "site", tmp_path / "programs", tmp_path / "cache")
    lines = (tmp_path / "programs" / "greet").read_text().splitlines()
    assert lines[0] == "#!/usr/bin/python3"
    assert "exec" not in lines[1]


def test_a_machine_without_uv_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImageBuildFailed, match=r"^uv is not on this machine; run: pip install 'cellblock"):
        lock_wheels(["top"], TARGET, tmp_path)


def test_the_target_is_what_the_images_packages_are() -> None:
    versions = {"libc6": "2.36-9+deb12u13", "python3.11-minimal": "3.11.2-6", "bash": "5.2"}
    packages = [Package(name, version, "amd64", name, "") for name, version in versions.items()]
    assert target_of(packages, "amd64") == TARGET
    assert TARGET.uv_platform == "x86_64-manylinux_2_36"


def test_a_newer_c_library_than_uv_knows_counts_as_the_newest_that_it_knows() -> None:
    assert Target("3.13", 41, "arm64").uv_platform == "aarch64-manylinux_2_40"


def test_versions_of_packages_of_node_stand_behind_an_at_sign() -> None:
    assert wanted_modules(["jest@30", "@types/node", "@types/jest@~30.1"]) == {
        "jest": "30",
        "@types/node": "*",
        "@types/jest": "~30.1",
    }


def test_a_lock_of_node_counts_for_its_packages_only(tmp_path: Path) -> None:
    runtime = Runtime(name="web", image="x", extends="node", packages={"npm": ("jest@30",)})  # type: ignore[arg-type]
    path = tmp_path / "web.npm.lock"
    path.write_text(json.dumps({"packages": {"": {"dependencies": {"jest": "30"}}}}))
    assert [library.manager for library in locked(runtime, tmp_path)] == ["npm"]
    for other in ('{"packages": {"": {"dependencies": {"jest": "29"}}}}', "{}", "no json", "[]"):
        path.write_text(other)
        with pytest.raises(ImageBuildFailed, match="is for other packages"):
            locked(runtime, tmp_path)
