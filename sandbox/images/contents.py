"""What a recipe says of its image's contents, with the versions that its packages turned out to have."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sandbox.errors import ImageBuildFailed

if TYPE_CHECKING:
    from sandbox.images.package import Package
    from sandbox.images.recipe import Recipe

__all__ = ["contents_of"]

_GAP: Final = re.compile(r"\{(.+?)\}")
# Without Debian's epoch before it, and without its revision and notes behind it.
_UPSTREAM: Final = re.compile(r"(?:\d+:)?([0-9][0-9.]*[0-9]|[0-9])")


def contents_of(recipe: Recipe, packages: Iterable[Package]) -> str:
    """`recipe.contains` with versions: "GCC {g++-[0-9]*}" becomes "GCC 14.2.0".

    Raises ImageBuildFailed if no package has the name in braces, which may be a glob.
    """
    versions = {package.name: package.version for package in packages}
    versions |= {source.package: source.version for source in recipe.sources}

    def version(gap: re.Match[str]) -> str:
        found = sorted(fnmatch.filter(versions, gap[1]))
        upstream = _UPSTREAM.match(versions[found[0]]) if found else None
        if upstream is None:
            raise ImageBuildFailed(
                f"The recipe of {recipe.runtime} has no package {gap[1]}, as it says; correct `contains`."
            )
        return upstream[1]

    return _GAP.sub(version, recipe.contains)
