"""Every example on every page does what the page says, with a real engine, Redis and worker."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import chain, takewhile
from typing import TYPE_CHECKING

import pytest

from docs.pages.command_line import commands
from tests.api.running import running_api
from tests.docs.page import PAGES, Page, read_page
from tests.docs.script import checked_python, prints, session, steps
from tests.preloaded import launcher
from tests.programs import ROOT, running_flower, running_redis, running_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox import Sandbox

ADDRESS = "redis://localhost:6379/0"
FLOWER = "localhost:5555"
FLOWER_USER = "apps:a-long-password"
API = "http://localhost:8000"
API_TOKEN = "a-long-random-token-of-alice"  # noqa: S105
ALL = [read_page(name) for name in PAGES]
#: Commands that also accept options of Celery, Flower or pip.
PASSES_ON = ("cellblock worker", "cellblock flower")


def titled(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


@pytest.fixture(scope="module")
def url(sandbox: Sandbox, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Gives the URL of a broker without a password, as on the pages, with a worker of its own."""
    folder = tmp_path_factory.mktemp("pages")
    with running_redis(folder) as server, running_worker(folder, f"{server}/0", "--concurrency=2"):
        yield f"{server}/0"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Gives a folder for the programs of the page."""
    place = tmp_path / "bin"
    place.mkdir()
    return place


@pytest.fixture
def environment(url: str, programs: Path) -> dict[str, str]:
    """Gives a reader's environment, in which `cellblock` and `python` are the programs under test."""
    for name, words in (("cellblock", launcher("cli")), ("python", [sys.executable])):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
    return os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client' / 'src'}:{programs}",
        "PYTHONSAFEPATH": "1",
        "CELLBLOCK_BROKER_URL": url,
        "CELLBLOCK_PULL": "never",
    }


@pytest.fixture
def flower(url: str, tmp_path: Path) -> Iterator[str]:
    """Gives the address of Flower, which accepts the password that the pages use."""
    with running_flower(tmp_path, url, FLOWER_USER) as address:
        yield address


@pytest.fixture
def api(url: str, tmp_path: Path) -> Iterator[str]:
    """Gives the address of the HTTP API, which knows the token that the pages use."""
    with running_api(tmp_path, url, f"{API_TOKEN} alice\n") as running:
        yield running.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives an empty folder in which the commands of the page run."""
    place = tmp_path / "page"
    place.mkdir()
    return place


@pytest.mark.parametrize("page", [page for page in ALL if page.runs], ids=titled)
def test_the_page_does_what_it_says(
    page: Page, here: Callable[[str], str], programs: Path, environment: dict[str, str], folder: Path
) -> None:
    for block in page.blocks:
        if block.file:
            (folder / block.file).write_text(here(block.text))
    told = list(chain.from_iterable(steps(block.text) for block in page.of("console")))
    shown = prints(run(["bash", "-c", here(session(told))], environment, folder))
    for step, output in zip(told, shown, strict=True):
        assert fits(step.output, output), f"$ {step.command}\n{output}\n--- the page has:\n{step.output}"
    program = "\n".join(block.text for block in page.of("python"))
    (programs / "of_page.py").write_text(here(checked_python(program)))
    said = run(launcher("of_page"), environment, folder)
    assert "Traceback" not in said, said


@pytest.fixture
def here(page: Page, url: str, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Gives a function that replaces the addresses of the pages by those of this run."""
    addresses = {ADDRESS: url}
    if FLOWER in page.path.read_text():
        addresses[FLOWER] = request.getfixturevalue("flower")
    if API in page.path.read_text():
        addresses[API] = request.getfixturevalue("api")

    def put(text: str) -> str:
        for shown, real in addresses.items():
            text = text.replace(shown, real)
        return text

    return put


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """The output of the command, on both streams together."""
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.stdout


def fits(told: str, printed: str) -> bool:
    """Whether the output matches the page's text, in which `…` stands for any text."""
    pattern = ".*?".join(map(re.escape, told.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize("page", [page for page in ALL if page.elsewhere], ids=titled)
def test_what_another_test_runs_is_run_there(page: Page) -> None:
    assert page.path.name in (ROOT / str(page.elsewhere)).read_text()


@pytest.mark.parametrize("page", ALL, ids=titled)
def test_what_is_not_run_can_be_read(page: Page) -> None:
    readers = {"json": json.loads, "toml": tomllib.loads}
    for block in page.blocks:
        if block.language in readers:
            readers[block.language](block.text)
        if block.language == "sh":
            assert subprocess.run(["bash", "-n"], input=block.text, text=True, check=False).returncode == 0


@pytest.mark.parametrize("page", ALL, ids=titled)
def test_the_commands_that_are_shown_exist(page: Page) -> None:
    known = dict(commands())
    for words in chain.from_iterable(own_commands(block.text) for block in page.of("sh")):
        name = next(name for length in (3, 2) if (name := " ".join(words[:length])) in known)
        given = {word for word in takewhile(lambda word: word != "--", words) if word.startswith("--")}
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert name in PASSES_ON or given <= options


def own_commands(script: str) -> Iterator[list[str]]:
    """The words of each `cellblock` command at the start of a line."""
    for line in re.findall(r"^(?:\S+=\S+ )*(cellblock .*)", script, re.MULTILINE):
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        yield list(takewhile(lambda word: not set(word) <= set(";|&()<>"), words))
