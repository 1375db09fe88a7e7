"""A new runtime needs one catalogue entry and one recipe, as in the how-to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import Sandbox, Status
from sandbox.engines.docker.images import DockerImages
from sandbox.images import build, load_recipe
from tests.programs import ROOT, run_cli

from .conftest import own_tags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

PAGE = ROOT / "docs" / "how-to" / "add-a-runtime.md"
BLOCK = re.compile(r"^```(?:toml|perl)\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: The text of each file on the page, by the file's name.
FILES = {path.removeprefix("/etc/cellblock/"): text for path, text in BLOCK.findall(PAGE.read_text())}


@pytest.fixture(scope="module")
def operators(engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gives the operator's folder from the page, with another image name for this test."""
    folder = tmp_path_factory.mktemp("operator")
    recipe = folder / "recipes/perl/recipe.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(FILES["recipes/perl/recipe.toml"])
    with own_tags(engine) as prefix:
        tag = build(load_recipe("perl", folder / "recipes"), DockerImages(engine), prefix=prefix).tag
        (folder / "runtimes.toml").write_text(FILES["runtimes.toml"].replace("perl:5-slim", tag))
        yield folder


@pytest.fixture
def perl(operators: Path) -> Iterator[Sandbox]:
    """Gives a sandbox that has the runtime Perl."""
    settings = load_settings(
        runtimes=operators / "runtimes.toml", recipes=operators / "recipes", pull="never"
    )
    with Sandbox(settings) as real:
        yield real


def test_the_page_has_the_three_files() -> None:
    assert set(FILES) == {"runtimes.toml", "recipes/perl/recipe.toml", "hello.pl"}


def test_a_program_of_the_new_runtime_runs_by_its_extension(perl: Sandbox) -> None:
    result = perl.run(None, files={"hello.pl": FILES["hello.pl"]}, stdin="1\n2\n3\n")
    assert (result.status, result.stdout, result.stderr) == (Status.SUCCEEDED, "héllo, 6\n", "")
    assert (result.runtime, result.stage) == ("perl", "run")


def test_the_new_runtime_is_told_by_shebang_and_name_too(perl: Sandbox) -> None:
    assert perl.parse("./tool", files={"tool": "#!/usr/bin/perl\n"}).runtime.name == "perl"
    assert perl.parse("prove", files={"cpanfile": ""}).runtime.name == "perl"


def test_a_mistake_in_the_new_language_fails_with_its_words(perl: Sandbox) -> None:
    result = perl.run(None, files={"main.pl": "print 'never"})
    assert (result.status, "Can't find string terminator" in result.stderr) == (Status.FAILED, True)


def test_nothing_in_the_new_image_is_setuid(perl: Sandbox) -> None:
    assert perl.run("find / -xdev -perm /6000 2>/dev/null; :", "perl").stdout == ""


def test_the_command_line_explains_the_choice(operators: Path, tmp_path: Path) -> None:
    (tmp_path / "hello.pl").write_text(FILES["hello.pl"])
    done = run_cli(
        *("run", "--file", "hello.pl", "--explain"),
        cwd=tmp_path,
        CELLBLOCK_RUNTIMES=str(operators / "runtimes.toml"),
    )
    assert done.stdout in PAGE.read_text()
    assert "because: hello.pl ends in .pl" in done.stdout
