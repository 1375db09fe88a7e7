"""What goes into one runtime's image, read from `images/<runtime>/recipe.toml`."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sandbox.errors import ImageBuildFailed
from sandbox.images.library import Library
from sandbox.images.source import Source

__all__ = ["RECIPES", "Recipe", "load_recipe", "runtimes"]

# The recipes are beside the packages in a checkout, and within this package in a wheel.
_CHECKOUT: Final = Path(__file__).parents[2] / "images"
RECIPES: Final = _CHECKOUT if _CHECKOUT.is_dir() else Path(__file__).with_name("recipes")

_Line = Annotated[str, Field(pattern=r"^.+$")]
_Path = Annotated[str, Field(pattern=r"^/.+$")]
_Script = Annotated[str, Field(pattern=r"^#!/")]
_Suite = Annotated[str, Field(pattern=r"^[a-z]+$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
_Choice = Annotated[
    tuple[_Package, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """One runtime's image as data.

    Each item of `packages` is a choice: the first name that the package lists have is taken. All are of the
    `suite`, if the machine is a Debian. `ignore` has globs of dependencies that single packages do without.
    `contains` says what is in the image, and has versions of packages in braces. Modules of Python in the
    folders of `bytecode` are compiled. `scripts` are the recipe's own programs, by path. `libraries` are not
    in recipe.toml: they come from the catalogue.
    """

    runtime: str
    title: _Line
    packages: tuple[_Choice, ...] = ()
    exclude: tuple[_Line, ...] = ()
    drop: tuple[_Path, ...] = ()
    keep: tuple[_Path, ...] = ()
    symlinks: Mapping[_Path, _Path] = field(default_factory=dict)
    env: Mapping[_Variable, Annotated[str, Field(pattern=r"^.*$")]] = field(default_factory=dict)
    suite: _Suite | None = None
    ignore: Mapping[_Package, tuple[_Line, ...]] = field(default_factory=dict)
    contains: str = ""
    joined: Mapping[_Path, _Path] = field(default_factory=dict)
    bytecode: tuple[_Path, ...] = ()
    scripts: Mapping[_Path, _Script] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    libraries: tuple[Library, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in the recipe.

        A recipe without scripts has the digest that it had before there were any, so that its image stays as
        it is.
        """
        table = asdict(self)
        if not self.scripts:
            del table["scripts"]
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


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
    base = table.pop("extends", None)
    recipe = _parsed(runtime, table)
    return recipe if base is None else _joined(_loaded(str(base), folder, (*above, runtime)), recipe)


def _table(runtime: str, folder: Path) -> dict[str, Any]:
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


def _parsed(runtime: str, table: Mapping[str, Any]) -> Recipe:
    try:
        recipe = TypeAdapter(Recipe).validate_python(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ImageBuildFailed(f"The recipe of {runtime}, {key}: {first['msg']}; correct it.") from None
    if recipe.runtime != runtime:
        raise ImageBuildFailed(f"The recipe of {runtime} is for {recipe.runtime!r}; correct `runtime`.")
    return recipe


def _joined(base: Recipe, own: Recipe) -> Recipe:
    return replace(
        own,
        packages=base.packages + own.packages,
        exclude=base.exclude + own.exclude,
        drop=base.drop + own.drop,
        keep=base.keep + own.keep,
        symlinks={**base.symlinks, **own.symlinks},
        suite=own.suite or base.suite,
        contains=own.contains or base.contains,
        env={**base.env, **own.env},
        ignore={**base.ignore, **own.ignore},
        joined={**base.joined, **own.joined},
        bytecode=base.bytecode + own.bytecode,
        scripts={**base.scripts, **own.scripts},
        sources=base.sources + own.sources,
    )
