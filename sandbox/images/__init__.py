"""Build the runtime images from Debian packages on machines where no container registry answers."""

from __future__ import annotations

from sandbox.images.build import BuiltImage, build, target_for
from sandbox.images.cache import Cache
from sandbox.images.lock import lock_packages
from sandbox.images.progress import Progress
from sandbox.images.recipe import RECIPES, Recipe, load_recipe, runtimes
from sandbox.images.variant import base_recipe, recipe_of

__all__ = [
    "RECIPES",
    "BuiltImage",
    "Cache",
    "Progress",
    "Recipe",
    "base_recipe",
    "build",
    "load_recipe",
    "lock_packages",
    "recipe_of",
    "runtimes",
    "target_for",
]
