"""Build a runtime's image on a machine where no container registry answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from typing import Final

from sandbox.engines.docker.images import speaking
from sandbox.engines.image import CONTENTS_LABEL, KEY_LABEL, RECIPE_LABEL, Image, Images
from sandbox.errors import ImageBuildFailed
from sandbox.images.archive import ImageConfig, docker_archive
from sandbox.images.cache import Cache
from sandbox.images.contents import contents_of
from sandbox.images.debian import Debian
from sandbox.images.finish import Finish
from sandbox.images.ingredients import Ingredients, gather
from sandbox.images.layer import write_layer
from sandbox.images.library import Target, target_of
from sandbox.images.package import Package
from sandbox.images.progress import Progress, counted, silent
from sandbox.images.recipe import Recipe
from sandbox.images.resolution import content_key, recall, resolve
from sandbox.images.suite import foreign
from sandbox.images.trim import Trim

__all__ = ["BuiltImage", "build", "debian_for", "target_for"]

_DEBIAN_ARCHITECTURES: Final = {"386": "i386", "arm": "armhf", "ppc64le": "ppc64el", "mips64le": "mips64el"}


@dataclass(frozen=True)
class BuiltImage:
    """An image ready to run: `size` in bytes, `key` as of `content_key`, `fresh` if it was built just now."""

    tag: str
    image_id: str
    size: int
    key: str
    fresh: bool


@dataclass(frozen=True)
class _Order:
    recipe: Recipe
    images: Images
    cache: Cache
    tag: str
    architecture: str
    debian: Debian
    progress: Progress


def build(
    recipe: Recipe,
    images: Images,
    *,
    cache: Cache | None = None,
    force: bool = False,
    prefix: str = "cellblock",
    progress: Progress = silent,
) -> BuiltImage:
    """Build and load `<prefix>/<runtime>:local`, unless `images` already has an up-to-date image.

    `force` fetches the package lists again and always builds. Without it an up-to-date image is returned at
    once, even without a network. Raises ImageBuildFailed; the tag is then not changed.
    """
    cache = cache or Cache.default()
    with _storing(cache), speaking():
        architecture = images.architecture()
        debian = debian_for(recipe, architecture, cache)
        order = _Order(
            recipe, images, cache, f"{prefix}/{recipe.runtime}:local", architecture, debian, progress
        )
        if not force and (image := _remembered(order)):
            return image
        with cache.locked():
            return _forced(order) if force else _wanted(order)


def target_for(recipe: Recipe, images: Images, cache: Cache) -> Target:
    """What the packages of a lock are chosen for; raises ImageBuildFailed if apt cannot meet the recipe."""
    with _storing(cache), speaking(), cache.locked():
        architecture = images.architecture()
        debian = debian_for(recipe, architecture, cache)
        return target_of(resolve(recipe, debian, cache), debian.architecture)


def debian_for(recipe: Recipe, architecture: str, cache: Cache) -> Debian:
    """The packages that a recipe chooses from; `architecture` in Docker's spelling."""
    suite = foreign(recipe.suite)
    folder = cache.folder(f"debian-{suite}" if suite else "debian")
    return Debian(folder, _DEBIAN_ARCHITECTURES.get(architecture, architecture), suite)


@contextmanager
def _storing(cache: Cache) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageBuildFailed(
            f"{cache.root} cannot be used ({error.strerror}); see that it is yours and its disk is not full."
        ) from error


def _remembered(order: _Order) -> BuiltImage | None:
    packages = recall(order.recipe, order.debian, order.cache)
    return _current(order, packages) if packages else None


def _current(order: _Order, packages: tuple[Package, ...]) -> BuiltImage | None:
    present = order.images.find(order.tag)
    if present and present.labels.get(KEY_LABEL) == content_key(order.recipe, order.architecture, packages):
        return _result(order, present, fresh=False)
    return None


def _wanted(order: _Order) -> BuiltImage:
    try:
        packages = resolve(order.recipe, order.debian, order.cache)
    except ImageBuildFailed:
        present = order.images.find(order.tag)
        # Offline, and no packages are remembered: use an image that was built from this same recipe.
        if present and present.labels.get(RECIPE_LABEL) == order.recipe.digest:
            return _result(order, present, fresh=False)
        raise
    return _current(order, packages) or _made(order)


def _forced(order: _Order) -> BuiltImage:
    order.progress("lists", 0, 1)
    order.debian.refresh()
    order.progress("lists", 1, 1)
    return _made(order)


def _made(order: _Order) -> BuiltImage:
    before = order.images.find(order.tag)
    ingredients = gather(order.recipe, order.debian, order.cache, order.progress)
    key = content_key(order.recipe, order.architecture, ingredients.packages)
    # The file never has a name, so it disappears with the process, however that ends.
    with tempfile.TemporaryFile(dir=order.cache.root) as spool:
        _load(order, key, ingredients, spool)
    after = order.images.find(order.tag)
    if after is None or after.labels.get(KEY_LABEL) != key:
        raise ImageBuildFailed(f"{order.tag} was taken but is not there now; build again.")
    if before and before.id != after.id:
        order.images.discard(before)
    return _result(order, after, fresh=True)


def _load(order: _Order, key: str, ingredients: Ingredients, spool: BufferedRandom) -> None:
    recipe = order.recipe
    finish = Finish(recipe.symlinks, recipe.joined, ingredients.alternatives, recipe.scripts)
    trim = Trim.of(recipe.drop, recipe.keep)
    layer = write_layer(spool, ingredients.trees(order.progress), trim, finish)
    spool.seek(0)
    labels = {
        KEY_LABEL: key,
        RECIPE_LABEL: recipe.digest,
        CONTENTS_LABEL: contents_of(recipe, ingredients.packages),
        "org.opencontainers.image.title": f"cellblock {recipe.runtime}",
        "org.opencontainers.image.description": recipe.title,
    }
    config = ImageConfig(order.tag, order.architecture, recipe.env, labels)
    order.images.load(counted(docker_archive(config, layer, spool), layer.size, order.progress))


def _result(order: _Order, image: Image, *, fresh: bool) -> BuiltImage:
    return BuiltImage(order.tag, image.id, image.size_bytes, image.labels[KEY_LABEL], fresh)
