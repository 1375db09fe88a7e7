"""`cellblock images build` with a private package archive."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.main import command_line
from sandbox.engines.docker.image_choice import find_image

from .conftest import Deb, Publish, Wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker
    from typer.testing import Result

pytestmark = pytest.mark.engine

RECIPE = """
runtime = "{name}"
title = "a fake"
packages = ["top"]

[env]
PATH = "/bin"
"""


@pytest.fixture
def runtime(tmp_path: Path, client: docker.APIClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Gives the name of an operator's recipe. Its image is removed at the end."""
    name = f"fake{token_hex(4)}"
    folder = tmp_path / "recipes" / name
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE.format(name=name))
    monkeypatch.setenv("CELLBLOCK_RECIPES", str(folder.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield name
    if image := find_image(client, f"cellblock/{name}:local"):
        client.remove_image(image.id, force=True)


@pytest.fixture
def build(runtime: str, deb: Deb, publish: Publish) -> Callable[..., Result]:
    deb("top", {"usr/share/top": "1"})
    publish()
    return lambda *options: CliRunner().invoke(command_line("images"), ["images", "build", runtime, *options])


def test_a_build_says_each_step_once_and_what_came_of_it(build: Callable[..., Result], runtime: str) -> None:
    first, second = build(), build()
    *steps, built = first.stderr.splitlines()
    assert (first.exit_code, first.stdout) == (0, "")
    assert steps
    assert len(steps) == len(set(steps))
    assert all(step.startswith(f"cellblock: {runtime} ") for step in steps)
    assert built.startswith(f"cellblock: cellblock/{runtime}:local: built, ")
    assert second.stderr.startswith(f"cellblock: cellblock/{runtime}:local: up to date, ")


def test_a_forced_build_is_made_anew_and_a_quiet_one_says_nothing(build: Callable[..., Result]) -> None:
    assert build("--quiet").stderr == ""
    assert ": built, " in build("--force").stderr
    assert build("-q", "--force").stderr == ""


@pytest.fixture
def catalogue(runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives the folder of an operator's catalogue, in which `data` extends the operator's runtime."""
    path = tmp_path / "catalogue" / "runtimes.toml"
    path.parent.mkdir()
    path.write_text(
        f'[{runtime}]\nimage = "none"\npackages_from = "pip"\n'
        f'[data]\nextends = "{runtime}"\npackages = ["one"]\n[alike]\nextends = "data"\n'
    )
    monkeypatch.setenv("CELLBLOCK_RUNTIMES", str(path))
    return path.parent


def test_a_lock_is_written_beside_the_catalogue_for_each_runtime_with_packages(
    catalogue: Path, runtime: str, deb: Deb, publish: Publish, wheel: Wheel
) -> None:
    recipe = catalogue.parent / "recipes" / runtime / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"top"', '"libc6", "python3.11-minimal"'))
    deb("libc6", {}, version="2.36-9")
    deb("python3.11-minimal", {}, version="3.11.2-6")
    publish()
    wheel("one", "1.0")
    outcome = CliRunner().invoke(command_line("images"), ["images", "lock"])
    assert outcome.stderr == f"cellblock: {catalogue}/data.pip.lock: written\n"
    assert "\none==1.0 " in (catalogue / "data.pip.lock").read_text()


def test_a_build_without_a_lock_says_how_to_make_one(catalogue: Path) -> None:
    outcome = CliRunner().invoke(command_line("images"), ["images", "build", "data"])
    assert str(outcome.exception).startswith(f"There is no lock {catalogue}/data.pip.lock")


def test_a_recipe_that_there_is_not_is_named_with_those_that_there_are(
    build: Callable[..., Result], runtime: str
) -> None:
    outcome = CliRunner().invoke(command_line("images"), ["images", "build", "cobol"])
    words = f"There is no recipe for 'cobol'; there are recipes for: bash, cpp, dotnet, {runtime}, java, node"
    assert str(outcome.exception).startswith(words)
