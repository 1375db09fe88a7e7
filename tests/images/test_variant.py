"""The recipe of a runtime that extends another one is the other one's, with packages added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config import load_catalogue
from sandbox.images import load_recipe, recipe_of

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.images import Recipe


def recipe(folder: Path, text: str, name: str = "data") -> Recipe:
    path = folder / "runtimes.toml"
    path.write_text(text)
    return recipe_of(name, load_catalogue(path), folder, folder)


def test_packages_of_debian_are_added_and_need_no_lock(tmp_path: Path) -> None:
    made = recipe(tmp_path, '[data]\nextends = "python"\npackages = { apt = ["gnuplot"] }\n')
    base = load_recipe("python")
    assert made.packages == (*base.packages, ("gnuplot",))
    assert (made.runtime, made.suite, made.bytecode) == ("data", base.suite, base.bytecode)


def test_what_the_other_recipe_leaves_out_can_be_asked_for(tmp_path: Path) -> None:
    made = recipe(tmp_path, '[data]\nextends = "bash"\npackages = ["dpkg"]\n')
    assert "dpkg" in load_recipe("bash").exclude
    assert "dpkg" not in made.exclude


def test_it_is_the_recipe_of_the_next_runtime_that_has_one(tmp_path: Path) -> None:
    text = '[data]\nextends = "node"\npackages = { apt = ["ed"] }\n'
    text += '[more]\nextends = "data"\npackages = { apt = ["gawk"] }\n'
    assert recipe(tmp_path, text, "more").packages[-2:] == (("ed",), ("gawk",))
    assert recipe(tmp_path, text, "more").sources == load_recipe("node").sources


def test_a_recipe_of_its_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "recipe.toml").write_text('runtime = "data"\ntitle = "mine"\npackages = ["mine"]\n')
    made = recipe(tmp_path, '[data]\nextends = "python"\npackages = { apt = ["ed"] }\n')
    assert made.packages == (("mine",), ("ed",))


def test_a_name_that_the_catalogue_lacks_is_a_recipe_all_the_same(tmp_path: Path) -> None:
    assert recipe(tmp_path, "", "proxy") == load_recipe("proxy")
