"""Build the runtime images from Debian packages on machines where no container registry answers."""

from __future__ import annotations

from sandbox.images.build import BuiltImage, build
from sandbox.images.cache import Cache
from sandbox.images.progress import Progress
from sandbox.images.recipe import RECIPES, Recipe, load_recipe, runtimes

__all__ = ["RECIPES", "BuiltImage", "Cache", "Progress", "Recipe", "build", "load_recipe", "runtimes"]
