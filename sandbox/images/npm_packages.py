"""Packages of Node: npm chooses and fetches them. None of their scripts is run."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.command import output_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.images.library import Target

__all__ = ["install_modules", "lock_modules", "wanted_modules"]

_SECONDS: Final = 600
_ADVICE: Final = "correct `packages`, or install the package npm and see that `npm ping` works"
_QUIET: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def wanted_modules(packages: Sequence[str]) -> dict[str, str]:
    """The packages as package.json has them: "jest@29" is jest, and any version that "29" allows."""
    pairs = (package.rpartition("@") if "@" in package[1:] else (package, "", "*") for package in packages)
    return {name: allowed for name, _, allowed in pairs}


def lock_modules(wanted: Sequence[str], target: Target, cache: Path) -> str:
    """The text of package-lock.json for the newest packages that `wanted` allows, and all that they need.

    Raises ImageBuildFailed if a package is not to be had.
    """
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _write(Path(folder), wanted_modules(wanted))
        # The lock names no index, so that it is right wherever packages come from.
        options = ("--package-lock-only", "--omit-lockfile-registry-resolved", "--prefer-online")
        _npm("install", target, cache, Path(folder), *options)
        return _short(json.loads(Path(folder, "package-lock.json").read_text()))


def install_modules(lock: str, target: Target, tree: Path, cache: Path) -> None:
    """Unpack the packages of the lock into /node_modules, where every module finds them; link their programs.

    Packages that were fetched before are taken from `cache`, with no network. Raises ImageBuildFailed if one
    is not to be had, or is not the one in the lock.
    """
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _write(Path(folder), json.loads(lock)["packages"][""].get("dependencies", {}))
        Path(folder, "package-lock.json").write_text(lock)
        try:
            _npm("ci", target, cache, Path(folder), "--offline")
        except ImageBuildFailed:
            _npm("ci", target, cache, Path(folder))
        shutil.move(Path(folder, "node_modules"), tree / "node_modules")
    (tree / "node_modules/.package-lock.json").unlink(missing_ok=True)
    programs = tree / "usr/local/bin"
    programs.mkdir(parents=True)
    for path in sorted((tree / "node_modules/.bin").glob("*")):
        (programs / path.name).symlink_to(f"/node_modules/.bin/{path.name}")


def _short(lock: dict[str, Any]) -> str:
    """The lock with a line for each package, and without the addresses of those who collect for them."""
    packages = lock.pop("packages")
    lines = (
        f"{json.dumps(path)}: {json.dumps({key: value for key, value in about.items() if key != 'funding'})}"
        for path, about in packages.items()
    )
    head = json.dumps(lock).removesuffix("}")
    return f'{head}, "packages": {{\n' + ",\n".join(lines) + "\n}}\n"


def _write(folder: Path, dependencies: dict[str, str]) -> None:
    (folder / "package.json").write_text(json.dumps({"name": "packages", "dependencies": dependencies}))


def _npm(action: str, target: Target, cache: Path, folder: Path, *options: str) -> None:
    platform = ("--os=linux", "--libc=glibc", f"--cpu={target.npm_cpu}")
    argv = ["npm", action, *_QUIET, *platform, "--cache", str(cache / "npm"), *options]
    output_of(argv, timeout=_SECONDS, advice=_ADVICE, folder=folder)
