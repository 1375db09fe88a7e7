"""Everything that one image is made of, fetched to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import ImageBuildFailed
from sandbox.images.alternatives import best, parse_alternatives
from sandbox.images.cache import Cache
from sandbox.images.debian import Debian
from sandbox.images.entry import Entry
from sandbox.images.extras import Extras
from sandbox.images.package import Package, deb_entries, install_script, status_entry
from sandbox.images.prepared import prepared_entries
from sandbox.images.progress import Progress
from sandbox.images.recipe import Recipe
from sandbox.images.resolution import resolve
from sandbox.images.source import Source, fetch, source_entries

__all__ = ["Ingredients", "gather"]


@dataclass(frozen=True)
class Ingredients:
    """The packages with their .debs, and the sources with their archives."""

    packages: tuple[Package, ...]
    debs: tuple[Path, ...]
    sources: tuple[tuple[Source, Path], ...]
    extras: tuple[Path, ...] = ()

    @property
    def alternatives(self) -> dict[str, str]:
        """The links that the packages' scripts would make."""
        return best(one for deb in self.debs for one in parse_alternatives(install_script(deb)))

    def trees(self, progress: Progress) -> Iterator[Iterator[Entry]]:
        """What goes into the layer: every package in turn, their status entries, the sources, the extras."""
        total = len(self.debs) + len(self.sources) + len(self.extras)
        for done, deb in enumerate(self.debs):
            progress("merge", done, total)
            yield deb_entries(deb)
        yield (status_entry(package) for package in self.packages)
        for done, (source, archive) in enumerate(self.sources, len(self.debs)):
            progress("merge", done, total)
            yield source_entries(source, archive)
        for done, archive in enumerate(self.extras, total - len(self.extras)):
            progress("merge", done, total)
            yield prepared_entries(archive)
        progress("merge", total, total)


def gather(recipe: Recipe, debian: Debian, cache: Cache, progress: Progress) -> Ingredients:
    """Fetch what is missing; raises ImageBuildFailed if something cannot be fetched.

    The archive removes packages when it gets newer versions. So after a failure the lists are fetched again,
    and the packages are resolved and downloaded once more.
    """
    try:
        packages = resolve(recipe, debian, cache)
        debs = debian.download(packages, progress)
    except ImageBuildFailed:
        debian.refresh()
        packages = resolve(recipe, debian, cache)
        debs = debian.download(packages, progress)
    sources = _sources(recipe, debian.architecture, cache, progress)
    extras = Extras(recipe, debian.architecture, packages, debs, cache).archives(progress)
    return Ingredients(packages, debs, sources, extras)


def _sources(
    recipe: Recipe,
    architecture: str,
    cache: Cache,
    progress: Progress,
) -> tuple[tuple[Source, Path], ...]:
    ours = [source for source in recipe.sources if source.architecture == architecture]
    if recipe.sources and not ours:
        raise ImageBuildFailed(
            f"The recipe of {recipe.runtime} has no source for {architecture}; add one, or pull an image."
        )
    fetched = []
    for done, source in enumerate(ours):
        progress("fetch", done, len(ours))
        fetched.append((source, fetch(source, cache.folder("sources"))))
    return tuple(fetched)
