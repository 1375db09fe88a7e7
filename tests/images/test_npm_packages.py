"""Packages of Node come from a lock, and from the index that npm uses. None of their scripts is run."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.library import Target
from sandbox.images.npm_packages import install_modules, lock_modules
from tests.conftest import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

TARGET = Target("", 36, "amd64")


class Index(ThreadingHTTPServer):
    """An index of packages of Node."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: dict[str, bytes] = {}
        self.versions: dict[str, dict[str, object]] = {}

    def publish(self, name: str, version: str, **about: object) -> None:
        """Add a package with one module and one program."""
        package = {"name": name, "version": version, "bin": {name: "main.js"}, **about}
        tgz = io.BytesIO()
        with tarfile.open(fileobj=tgz, mode="w:gz") as archive:
            for path, text in (("package.json", json.dumps(package)), ("main.js", "module.exports = 42\n")):
                member = tarfile.TarInfo(f"package/{path}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        digest = base64.b64encode(hashlib.sha512(tgz.getvalue()).digest()).decode()
        dist = {"tarball": f"{self.url}/{name}-{version}.tgz", "integrity": f"sha512-{digest}"}
        self.versions.setdefault(name, {})[version] = {**package, "dist": dist}
        self.answers[f"/{name}-{version}.tgz"] = tgz.getvalue()
        listed = {"name": name, "dist-tags": {"latest": version}, "versions": self.versions[name]}
        self.answers[f"/{name}"] = json.dumps(listed).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        data = self.server.answers.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Gives an index of this test's own, which npm uses."""
    if shutil.which("npm") is None:
        unavailable("There is no npm. Try: apt-get install npm")
    with Index() as index:
        monkeypatch.setenv("npm_config_registry", index.url)
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        monkeypatch.setenv("npm_config_userconfig", "/dev/null")
        thread = threading.Thread(target=index.serve_forever, daemon=True)
        thread.start()
        yield index
        index.shutdown()


def test_a_lock_pins_packages_by_their_digests_and_names_no_index(index: Index, tmp_path: Path) -> None:
    index.publish("below", "3.0.0")
    index.publish("top", "1.5.0", dependencies={"below": "^3"}, funding="https://example.com")
    index.publish("top", "2.0.0")
    lock = lock_modules(["top@1"], TARGET, tmp_path)
    packages = json.loads(lock)["packages"]
    versions = {path: about.get("version") for path, about in packages.items()}
    assert versions == {"": None, "node_modules/below": "3.0.0", "node_modules/top": "1.5.0"}
    assert packages["node_modules/top"]["integrity"].startswith("sha512-")
    assert "http" not in lock


def test_modules_are_where_every_program_finds_them_and_their_programs_are_linked(
    index: Index, tmp_path: Path
) -> None:
    index.publish("top", "1.0.0")
    install_modules(lock_modules(["top"], TARGET, tmp_path), TARGET, tmp_path / "tree", tmp_path)
    assert (tmp_path / "tree/node_modules/top/main.js").read_text() == "module.exports = 42\n"
    assert str((tmp_path / "tree/usr/local/bin/top").readlink()) == "/node_modules/.bin/top"


def test_no_script_of_a_package_is_run(index: Index, tmp_path: Path) -> None:
    index.publish("top", "1.0.0", scripts={"install": f"touch {tmp_path}/ran"})
    install_modules(lock_modules(["top"], TARGET, tmp_path), TARGET, tmp_path / "tree", tmp_path)
    assert not (tmp_path / "ran").exists()


def test_packages_that_were_fetched_once_need_no_index(index: Index, tmp_path: Path) -> None:
    index.publish("top", "1.0.0")
    lock = lock_modules(["top"], TARGET, tmp_path)
    install_modules(lock, TARGET, tmp_path / "first", tmp_path)
    index.answers.clear()
    install_modules(lock, TARGET, tmp_path / "second", tmp_path)
    assert (tmp_path / "second/node_modules/top/main.js").exists()


def test_another_package_than_the_locked_one_is_refused(index: Index, tmp_path: Path) -> None:
    index.publish("top", "1.0.0")
    lock = lock_modules(["top"], TARGET, tmp_path)
    index.publish("top", "1.0.0", changed=True)
    with pytest.raises(ImageBuildFailed, match=r"npm failed .*see that `npm ping` works"):
        install_modules(lock, TARGET, tmp_path / "tree", tmp_path)


def test_a_package_that_there_is_not_is_refused_in_npms_words(index: Index, tmp_path: Path) -> None:
    with pytest.raises(ImageBuildFailed, match=r"npm failed \(npm error 404 .*; correct `packages`, or"):
        lock_modules(["nothing"], TARGET, tmp_path)
