"""The recipe of a runtime, which may be that of the runtime it extends with packages added."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.images.lock import locked
from sandbox.images.recipe import RECIPES, Recipe, load_recipe, runtimes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config import Runtime

__all__ = ["base_recipe", "recipe_of"]


def recipe_of(
    name: str, catalogue: Mapping[str, Runtime], folder: Path = RECIPES, locks: Path = Path()
) -> Recipe:
    """The recipe called `name`, from `folder` or from cellblock, or that of a runtime with packages.

    `locks` is the folder of the operator's catalogue, where its locks are. Raises ImageBuildFailed if there
    is no recipe, or if a lock is missing or not for the packages that the catalogue names.
    """
    runtime = catalogue.get(name)
    if runtime is None or not runtime.packages or runtime.image_of != name:
        return load_recipe(name, folder)
    return replace(base_recipe(runtime, catalogue, folder), libraries=locked(runtime, locks))


def base_recipe(runtime: Runtime, catalogue: Mapping[str, Runtime], folder: Path = RECIPES) -> Recipe:
    """The recipe of a runtime's image without the packages that only a lock names.

    It is the runtime's own, or that of the next one which it extends and which has a recipe.
    """
    home = runtime
    while home.extends and home.name not in runtimes(folder):
        home = catalogue[home.extends]
    recipe = load_recipe(home.name, folder)
    apt = runtime.packages.apt
    added = tuple((package,) for package in apt)
    exclude = tuple(glob for glob in recipe.exclude if not fnmatch.filter(apt, glob))
    names = (*apt, *runtime.packages.pip, *runtime.packages.npm)
    title = f"{recipe.title}, with {', '.join(names)}"
    return replace(
        recipe, runtime=runtime.name, title=title, packages=recipe.packages + added, exclude=exclude
    )
