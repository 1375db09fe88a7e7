"""What an image has besides its packages of Debian: compiled modules, and packages of Python and of Node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.images.interpreter import Interpreter
from sandbox.images.library import target_of
from sandbox.images.npm_packages import install_modules
from sandbox.images.pip_packages import install_wheels
from sandbox.images.prepared import fingerprint, prepared
from sandbox.images.trim import Trim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.images.cache import Cache
    from sandbox.images.library import Library
    from sandbox.images.package import Package
    from sandbox.images.progress import Progress
    from sandbox.images.recipe import Recipe

__all__ = ["Extras"]

# Raise it with every change that makes other files of the same packages.
_VERSION: Final = 1


class Extras:
    """The archives of one recipe, which are made from its `packages` and their `debs`."""

    def __init__(
        self,
        recipe: Recipe,
        architecture: str,
        packages: Sequence[Package],
        debs: Sequence[Path],
        cache: Cache,
    ) -> None:
        self._recipe = recipe
        self._packages, self._debs = packages, debs
        self._cache = cache
        self._architecture = architecture

    def archives(self, progress: Progress) -> tuple[Path, ...]:
        """All archives, made unless they are there. Raises ImageBuildFailed if one cannot be made."""
        parts: list[Library | None] = [*([None] if self._recipe.bytecode else []), *self._recipe.libraries]
        found = []
        for done, part in enumerate(parts):
            progress("install", done, len(parts))
            found.append(self._library(part) if part else self._modules())
            progress("install", done + 1, len(parts))
        return tuple(found)

    def _modules(self) -> Path:
        """The compiled modules of the distribution."""

        def make(work: Path, tree: Path) -> None:
            python = self._python(work)
            python.compile(self._recipe.bytecode, python.root, tree)

        return self._prepared("modules", make)

    def _library(self, library: Library) -> Path:
        target = target_of(self._packages, self._architecture)

        def wheels(work: Path, tree: Path) -> None:
            python = self._python(work)
            site = tree / python.site.lstrip("/")
            site.parent.mkdir(parents=True)
            install_wheels(library.lock, target, site, tree / "usr/local/bin", self._cache.folder("wheels"))
            python.compile([python.site], tree, tree)

        def modules(_: Path, tree: Path) -> None:
            install_modules(library.lock, target, tree, self._cache.folder("node"))

        return self._prepared(library.lock, wheels if library.manager == "pip" else modules)

    def _prepared(self, what: str, make: Callable[[Path, Path], None]) -> Path:
        recipe = self._recipe
        debs = [package.sha256 for package in self._packages]
        key = fingerprint(_VERSION, what, debs, recipe.bytecode, recipe.drop, recipe.keep, self._architecture)
        return prepared(key, self._cache.folder("prepared"), make)

    def _python(self, work: Path) -> Interpreter:
        return Interpreter.unpacked(self._debs, Trim.of(self._recipe.drop, self._recipe.keep), work)
