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
    write(
        tmp_path,
        "ground",
        'packages = ["dash"]\ndrop = ["/a"]\n[env]\nA = "1"\nB = "1"\n[scripts]\n"/x" = "#!/x"\n',
    )
    write(tmp_path, "top", 'extends = "ground"\npackages = [["x21", "x17"]]\n[env]\nB = "2"\n')
    recipe = load_recipe("top", tmp_path)
    assert recipe.runtime == "top"
    assert recipe.packages == (("dash",), ("x21", "x17"))
    assert recipe.drop == ("/a",)
    assert recipe.env == {"A": "1", "B": "2"}
    assert recipe.scripts == {"/x": "#!/x"}


def test_the_digest_changes_with_the_content_and_only_with_it(tmp_path: Path) -> None:
    write(tmp_path, "x", 'packages = ["dash"]')
    before = load_recipe("x", tmp_path).digest
    path = tmp_path / "x" / "recipe.toml"
    path.write_text(path.read_text() + "# a remark\n")
    assert load_recipe("x", tmp_path).digest == before
    path.write_text(path.read_text() + 'drop = ["/x"]\n')
    after = load_recipe("x", tmp_path).digest
    assert after != before
    path.write_text(path.read_text() + '[scripts]\n"/usr/bin/x" = "#!/bin/sh"\n')
    assert load_recipe("x", tmp_path).digest not in (before, after)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('package = ["dash"]', "x, package: Unexpected keyword"),
        ('packages = "dash"', "x, packages: .* tuple"),
        ('packages = ["--option"]', r"x, packages\.0\.0: .* pattern"),
        ("packages = [[]]", r"x, packages\.0: .* at least 1 item"),
        ('packages = [["g++", 1]]', r"x, packages\.0\.1: .* string"),
        ('exclude = "dash"', "x, exclude: .* tuple"),
        ('drop = ["usr/share"]', r"x, drop\.0: .* pattern"),
        ('[symlinks]\n"/a" = "b"', "x, symlinks./a: .* pattern"),
        ('[scripts]\n"/a" = "echo"', "x, scripts./a: .* pattern"),
        ('[env]\n"A=B" = "c"', "x, env.A=B.* pattern"),
        ('[env]\nA = "1\\n2"', r"x, env\.A: .* pattern"),
        ("drop = [", "not TOML"),
        ('sources = ["x"]', r"x, sources\.0: .* dictionary"),
        ('[[sources]]\nclient = "curl"', r"x, sources\.0\.client: .* 'npm' or 'pip'"),
        (
            f'[[sources]]\nclient = "npm"\npackage = "--x"\nsha256 = "{SHA256}"',
            r"sources\.0\.package: .* pattern",
        ),
        ('extends = "x"', "extends itself"),
        ('extends = "nothing"', "no recipe for 'nothing'"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, "x", text)
    with pytest.raises(ImageBuildFailed, match=complaint):
        load_recipe("x", tmp_path)


def test_a_recipe_of_another_runtime_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "x", "")
    (tmp_path / "x").rename(tmp_path / "y")
    with pytest.raises(ImageBuildFailed, match="The recipe of y is for 'x'; correct `runtime`"):
        load_recipe("y", tmp_path)


def test_an_unknown_runtime_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "x", "")
    with pytest.raises(ImageBuildFailed, match=r"there are recipes for: bash, .*, x"):
        load_recipe("y", tmp_path)


@pytest.mark.parametrize("runtime", runtimes())
def test_every_recipe_that_ships_is_valid(runtime: str) -> None:
    recipe = load_recipe(runtime, RECIPES)
    assert recipe.packages
    assert recipe.env["LANG"] == "C.UTF-8"
