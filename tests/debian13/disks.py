"""The two disks of the machine: the system disk, which is kept, and the cargo disk, made for each run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from config import load_settings
from sandbox.engines.docker.client import connect
from tests.debian13.shell import ROOT, command, kept

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["cargo", "system"]

_HERE = Path(__file__).parent
_CONSTRAINTS = ROOT / "constraints.txt"
_MIB = 1 << 20
_ROOM_MIB = 256


def system() -> Path:
    """The folder with `root.ext4`, `vmlinuz` and `initrd.img`, made from Debian packages if necessary."""
    packages, script = _HERE / "packages.txt", _HERE / "root.sh"

    def make(folder: Path) -> None:
        names = packages.read_text().split()
        command("unshare", "--mount", script, folder, _mirror(), *names)

    return kept("system", packages.read_text() + script.read_text(), make)


def cargo(folder: Path, images: Iterable[str], engine: str, tests: Iterable[str]) -> Path:
    """Make a disk with this repository, its Python packages, `images`, and the names of engine and tests."""
    tree, disk = folder / "tree", folder / "cargo.ext4"
    tree.mkdir()
    _copy_sources(tree / "repository")
    shutil.copytree(_packages(), tree / "packages")
    _save(images, tree / "images")
    shutil.copy(_HERE / "guest.sh", tree)
    (tree / "engine").write_text(engine)
    (tree / "tests").write_text("\n".join(tests))
    used_mib = sum(path.lstat().st_size for path in tree.rglob("*")) // _MIB
    with disk.open("wb") as file:
        file.truncate((2 * used_mib + _ROOM_MIB) * _MIB)
    command("mkfs.ext4", "-q", "-L", "cargo", "-d", tree, disk)
    shutil.rmtree(tree)
    return disk


def _packages() -> Path:
    """The packages of `constraints.txt` for the machine's Python version, installed here with hash checks."""

    def make(folder: Path) -> None:
        # The list is complete, so pip resolves nothing. Then it also takes the packages that are no wheels.
        there = ("--python-version", "3.13", "--no-deps", "--target", folder)
        here = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        command(*here, *there, "--require-hashes", "-r", _CONSTRAINTS)

    return kept("packages", _CONSTRAINTS.read_text(), make)


def _copy_sources(target: Path) -> None:
    """Copy all files that git does not ignore."""
    listed = command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def _save(images: Iterable[str], folder: Path) -> None:
    folder.mkdir()
    client = connect(load_settings())
    for number, image in enumerate(images):
        with (folder / f"{number}.tar").open("wb") as archive:
            archive.writelines(client.get_image(image))
    client.close()


def _mirror() -> str:
    """The Debian mirror of this host. Empty on other distributions: debootstrap then uses its default."""
    wanted = ("Origin: Debian", "Label: Debian", "Created-By: Packages")
    return command("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).partition("\n")[0]
