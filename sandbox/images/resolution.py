"""Finds out which packages a recipe needs, and remembers them so that apt need not run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from sandbox.images.cache import Cache
from sandbox.images.debian import Debian
from sandbox.images.package import Package
from sandbox.images.recipe import Recipe

__all__ = ["BUILDER_VERSION", "content_key", "recall", "resolve"]

# Raise it with every change that makes another image from the same recipe and packages.
BUILDER_VERSION: Final = 2


def recall(recipe: Recipe, debian: Debian, cache: Cache) -> tuple[Package, ...] | None:
    """The packages last resolved, if neither the recipe nor the package lists have changed since."""
    try:
        memory = json.loads(_file(recipe, debian, cache).read_text())
        if memory["recipe"] == recipe.digest and memory["lists"] == debian.fingerprint():
            return tuple(Package(**package) for package in memory["packages"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return None


def resolve(recipe: Recipe, debian: Debian, cache: Cache) -> tuple[Package, ...]:
    """The packages, remembered or else found by apt. The package lists are fetched if there are none.

    Raises ImageBuildFailed if the archive does not answer or cannot meet the recipe.
    """
    if known := recall(recipe, debian, cache):
        return known
    if not debian.fingerprint():
        debian.refresh()
    packages = debian.closure(recipe.packages, recipe.exclude, recipe.ignore)
    _remember(recipe, debian, cache, packages)
    return packages


def content_key(recipe: Recipe, architecture: str, packages: tuple[Package, ...]) -> str:
    """SHA-256 (hex) over all that decides an image's content: recipe, packages, architecture, builder."""
    parts = [BUILDER_VERSION, architecture, recipe.digest, [asdict(package) for package in packages]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _remember(recipe: Recipe, debian: Debian, cache: Cache, packages: tuple[Package, ...]) -> None:
    memory = {
        "recipe": recipe.digest,
        "lists": debian.fingerprint(),
        "packages": [asdict(package) for package in packages],
    }
    path = _file(recipe, debian, cache)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(memory))
    fresh.replace(path)


def _file(recipe: Recipe, debian: Debian, cache: Cache) -> Path:
    return cache.folder("resolved") / f"{recipe.runtime}-{debian.architecture}.json"
