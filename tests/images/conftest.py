"""Private archives of packages, so that these tests need no network."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import docker
import pytest

from sandbox.images import Cache
from sandbox.images.debian import Debian

Deb = Callable[..., Path]
Publish = Callable[[], None]
Wheel = Callable[..., Path]


@pytest.fixture
def deb(tmp_path: Path) -> Deb:
    """Gives a function that builds a small .deb. A file's value is its text, or `-> target` for a symlink."""
    pool = tmp_path / "pool"
    pool.mkdir()

    def made(
        name: str,
        files: Mapping[str, str],
        *,
        version: str = "1",
        depends: str = "",
        modes: Mapping[str, int] | None = None,
    ) -> Path:
        tree = tmp_path / "trees" / f"{name}-{version}"
        _write(tree, files)
        for path, mode in (modes or {}).items():
            (tree / path).chmod(mode)
        _control(tree, name, version, depends)
        target = pool / f"{name}_{version}_all.deb"
        _run("dpkg-deb", "--root-owner-group", "-b", str(tree), str(target))
        return target

    return made


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Gives a function that makes all .debs built so far the only packages that apt sees."""
    pool = tmp_path / "pool"
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] copy:{pool} ./\n")
    settings = tmp_path / "host-apt.conf"
    settings.write_text(f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    return lambda: _index(pool)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Gives a function that makes a wheel. The wheels are all that uv finds."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))

    def made(name: str, version: str, tag: str = "py3-none-any", needs: str = "", program: str = "") -> Path:
        path = folder / f"{name}-{version}-{tag}.whl"
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        notes = f"{name}-{version}.dist-info"
        files = {
            f"{name}.py": "answer = 42\n",
            f"{notes}/METADATA": about + (f"Requires-Dist: {needs}\n" if needs else ""),
            f"{notes}/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{notes}/entry_points.txt": f"[console_scripts]\n{program} = {name}:main\n" if program else "",
        }
        record = "".join(f"{file},,\n" for file in files)
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in (files | {f"{notes}/RECORD": record}).items():
                archive.writestr(file, text)
        return path

    return made


@pytest.fixture
def debian(tmp_path: Path, publish: Publish) -> Debian:
    return Debian(tmp_path / "debian", "amd64")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="session")
def client() -> Iterator[docker.APIClient]:
    client = docker.APIClient(timeout=60)
    yield client
    client.close()


@pytest.fixture
def prefix(client: docker.APIClient) -> Iterator[str]:
    with own_tags(client) as prefix:
        yield prefix


@contextmanager
def own_tags(client: docker.APIClient) -> Iterator[str]:
    """A prefix for image tags. All images with it are removed at the end."""
    prefix = f"cellblock-test-{token_hex(4)}"
    yield prefix
    for image in client.images():
        for tag in image["RepoTags"] or ():
            if tag.startswith(f"{prefix}/"):
                client.remove_image(tag, force=True)


def _write(tree: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        place = tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            place.symlink_to(text.removeprefix("-> "))
        else:
            place.write_text(text)


def _control(tree: Path, name: str, version: str, depends: str) -> None:
    (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
    needs = f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody\n{needs}"
        "Description: a fake\n"
    )


def _index(pool: Path) -> None:
    stanzas = []
    for path in sorted(pool.glob("*.deb")):
        digest = sha256(path.read_bytes()).hexdigest()
        stanzas.append(
            f"{_run('dpkg-deb', '-f', str(path))}Filename: ./{path.name}\n"
            f"Size: {path.stat().st_size}\nSHA256: {digest}\n"
        )
    (pool / "Packages").write_text("\n".join(stanzas))


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
