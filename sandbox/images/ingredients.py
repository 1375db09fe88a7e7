"""Everything that one image is made of, fetched to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import ImageBuildFailed
from sandbox.images.cache import Cache
from sandbox.images.debian import Debian
from sandbox.images.entry import Entry
from sandbox.images.package import Package, deb_entries, status_entry
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

    def trees(self, progress: Progress) -> Iterator[Iterator[Entry]]:
        """What goes into the layer: every package in turn, their status entries, then the sources."""
        total = len(self.debs) + len(self.sources)
        for done, deb in enumerate(self.debs):
            progress("merge", done, total)
            yield deb_entries(deb)
        yield (status_entry(package) for package in self.packages)
        for done, (source, archive) in enumerate(self.sources, len(self.debs)):
            progress("merge", done, total)
            yield source_entries(source, archive)
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
    return Ingredients(packages, debs, _sources(recipe, debian.architecture, cache, progress))


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
