from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.images import Cache, Recipe
from sandbox.images.debian import Debian
from sandbox.images.package import Package
from sandbox.images.resolution import content_key, recall, resolve

from .conftest import Deb, Publish

RECIPE = Recipe("x", "a fake", (("top",),))
PACKAGE = Package("top", "1", "all", "top", "ff")


@pytest.mark.parametrize(
    "other",
    [
        content_key(replace(RECIPE, drop=("/x",)), "amd64", (PACKAGE,)),
        content_key(RECIPE, "arm64", (PACKAGE,)),
        content_key(RECIPE, "amd64", (replace(PACKAGE, version="2"),)),
        content_key(RECIPE, "amd64", (replace(PACKAGE, sha256="00"),)),
        content_key(RECIPE, "amd64", ()),
    ],
)
def test_the_key_changes_with_all_that_decides_the_content(other: str) -> None:
    assert other != content_key(RECIPE, "amd64", (PACKAGE,))


def test_the_key_of_the_same_content_is_the_same() -> None:
    assert content_key(RECIPE, "amd64", (PACKAGE,)) == content_key(replace(RECIPE), "amd64", (PACKAGE,))


def test_a_resolution_is_recalled_until_recipe_or_lists_change(
    deb: Deb,
    publish: Publish,
    debian: Debian,
    cache: Cache,
) -> None:
    deb("top", {})
    publish()
    assert recall(RECIPE, debian, cache) is None
    packages = resolve(RECIPE, debian, cache)
    assert recall(RECIPE, debian, cache) == packages
    assert recall(replace(RECIPE, drop=("/x",)), debian, cache) is None
    deb("other", {})
    publish()
    debian.refresh()
    assert recall(RECIPE, debian, cache) is None


def test_a_damaged_memory_is_no_memory(debian: Debian, cache: Cache) -> None:
    (cache.folder("resolved") / "x-amd64.json").write_text('{"recipe":')
    assert recall(RECIPE, debian, cache) is None
