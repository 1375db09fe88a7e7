"""What goes into one runtime's image, read from `images/<runtime>/recipe.toml`."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.fields import Fields
from sandbox.images.source import Source, parse_source

__all__ = ["RECIPES", "Recipe", "load_recipe", "runtimes"]

# The recipes are beside the packages in a checkout, and within this package in a wheel.
_CHECKOUT: Final = Path(__file__).parents[2] / "images"
RECIPES: Final = _CHECKOUT if _CHECKOUT.is_dir() else Path(__file__).with_name("recipes")
_KEYS: Final = (
    "runtime",
    "title",
    "extends",
    "packages",
    "exclude",
    "drop",
    "keep",
    "symlinks",
    "env",
    "sources",
)


@dataclass(frozen=True)
class Recipe:
    """One runtime's image as data.

    Each item of `packages` is a choice: the first name that the package lists have is taken.
    """

    runtime: str
    title: str
    packages: tuple[tuple[str, ...], ...]
    exclude: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    symlinks: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in the recipe."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def runtimes(folder: Path = RECIPES) -> tuple[str, ...]:
    """The names of the runtimes that have a recipe in `folder` or in cellblock itself."""
    found = (*folder.glob("*/recipe.toml"), *RECIPES.glob("*/recipe.toml"))
    return tuple(sorted({path.parent.name for path in found}))


def load_recipe(runtime: str, folder: Path = RECIPES) -> Recipe:
    """The recipe of this runtime, from `folder` or from cellblock, merged with the one that it extends.

    Raises ImageBuildFailed if there is no recipe, or if a value in it is wrong.
    """
    return _loaded(runtime, folder, ())


def _loaded(runtime: str, folder: Path, above: tuple[str, ...]) -> Recipe:
    if runtime in above:
        raise ImageBuildFailed(f"The recipe of {runtime} extends itself; correct `extends`.")
    table = _table(runtime, folder)
    fields = Fields(table, f"The recipe of {runtime}")
    fields.only(_KEYS)
    recipe = _parsed(fields, runtime)
    if "extends" not in table:
        return recipe
    return _joined(_loaded(fields.text("extends"), folder, (*above, runtime)), recipe)


def _table(runtime: str, folder: Path) -> dict[str, object]:
    path = folder / runtime / "recipe.toml"
    if not path.exists():
        path = RECIPES / runtime / "recipe.toml"
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        known = ", ".join(runtimes(folder)) or "none"
        raise ImageBuildFailed(
            f"There is no recipe for {runtime!r}; there are recipes for: {known}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImageBuildFailed(f"The recipe of {runtime} is not TOML ({error}); correct it.") from error


def _parsed(fields: Fields, runtime: str) -> Recipe:
    absolute = r"/.+"
    return Recipe(
        runtime=fields.text("runtime", pattern=runtime),
        title=fields.text("title"),
        packages=fields.choices("packages"),
        exclude=fields.texts("exclude"),
        drop=fields.texts("drop", absolute),
        keep=fields.texts("keep", absolute),
        symlinks=fields.mapping("symlinks", absolute, absolute),
        env=fields.mapping("env", name=r"[A-Za-z_][A-Za-z0-9_]*"),
        sources=tuple(parse_source(table) for table in fields.tables("sources")),
    )


def _joined(base: Recipe, own: Recipe) -> Recipe:
    return replace(
        own,
        packages=base.packages + own.packages,
        exclude=base.exclude + own.exclude,
        drop=base.drop + own.drop,
        keep=base.keep + own.keep,
        symlinks={**base.symlinks, **own.symlinks},
        env={**base.env, **own.env},
        sources=base.sources + own.sources,
    )
