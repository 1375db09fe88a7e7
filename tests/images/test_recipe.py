from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images import RECIPES, load_recipe, runtimes

SHA256 = "0" * 64


def write(folder: Path, runtime: str, text: str) -> None:
    (folder / runtime).mkdir()
    (folder / runtime / "recipe.toml").write_text(f'runtime = "{runtime}"\ntitle = "a fake"\n{text}')


def test_a_recipe_adds_to_the_one_it_extends(tmp_path: Path) -> None:
    write(tmp_path, "ground", 'packages = ["dash"]\ndrop = ["/a"]\n[env]\nA = "1"\nB = "1"\n')
    write(tmp_path, "top", 'extends = "ground"\npackages = [["x21", "x17"]]\n[env]\nB = "2"\n')
    recipe = load_recipe("top", tmp_path)
    assert recipe.runtime == "top"
    assert recipe.packages == (("dash",), ("x21", "x17"))
    assert recipe.drop == ("/a",)
    assert recipe.env == {"A": "1", "B": "2"}


def test_the_digest_changes_with_the_content_and_only_with_it(tmp_path: Path) -> None:
    write(tmp_path, "x", 'packages = ["dash"]')
    before = load_recipe("x", tmp_path).digest
    path = tmp_path / "x" / "recipe.toml"
    path.write_text(path.read_text() + "# a remark\n")
    assert load_recipe("x", tmp_path).digest == before
    path.write_text(path.read_text() + 'drop = ["/x"]\n')
    assert load_recipe("x", tmp_path).digest != before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('package = ["dash"]', "unknown key 'package'"),
        ('packages = "dash"', "packages is 'dash'"),
        ('packages = ["--option"]', "packages is"),
        ("packages = [[]]", "packages is"),
        ('drop = ["usr/share"]', "drop is"),
        ('[symlinks]\n"/a" = "b"', "symlinks is"),
        ('[env]\n"A=B" = "c"', "env is"),
        ("drop = [", "not TOML"),
        ('[[sources]]\nclient = "curl"', "client is 'curl'"),
        (f'[[sources]]\nclient = "npm"\npackage = "--x"\nsha256 = "{SHA256}"', "package is '--x'"),
        ('extends = "x"', "extends itself"),
        ('extends = "nothing"', "no recipe for 'nothing'"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, "x", text)
    with pytest.raises(ImageBuildFailed, match=complaint):
        load_recipe("x", tmp_path)


def test_an_unknown_runtime_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "x", "")
    with pytest.raises(ImageBuildFailed, match=r"there are recipes for: bash, .*, x"):
        load_recipe("y", tmp_path)


@pytest.mark.parametrize("runtime", runtimes())
def test_every_recipe_that_ships_is_valid(runtime: str) -> None:
    recipe = load_recipe(runtime, RECIPES)
    assert recipe.packages
    assert recipe.env["LANG"] == "C.UTF-8"
