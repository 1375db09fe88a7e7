"""The pages build without warnings, every link and anchor in them exists, and they can be read and copied."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.browser import running_browser
from tests.conftest import unavailable
from tests.docs.page import read_page
from tests.docs.script import steps
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser import Browser
    from tests.docs.page import Block

pytestmark = pytest.mark.slow

TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^### `(.*)`$", TROUBLES, re.MULTILINE)


WIDE_TABLES = """return [...document.querySelectorAll("article .table-wrapper")]
    .filter(table => table.scrollWidth > table.clientWidth).map(table => table.innerText.split("\\n")[0])"""
BUTTONS = "button.copybtn"
IS_THERE = "return document.querySelector(arguments[0]) !== null"
# The program that copies puts the text into a field, which it selects.
COPIES = """const copied = [];
document.execCommand = () => copied.push(document.activeElement.value);
document.querySelectorAll(arguments[0]).forEach(button => button.click());
return copied"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-nW", "--keep-going", "-q", "docs"]
    options = ["-d", str(folder / "trees"), str(folder / "html")]
    outcome = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    return folder / "html"


def test_the_pages_are_built_without_a_warning(built: Path) -> None:
    assert (built / "troubleshooting.html").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        unavailable("There is no Chromium. Try: apt-get install chromium chromium-driver")
    with running_browser() as browser:
        yield browser


def test_no_table_is_wider_than_its_column(built: Path, browser: Browser) -> None:
    wide = {}
    for page in built.rglob("*.html"):
        browser.open(page.as_uri())
        for width in (1024, 1280):
            browser.resize(width, 2000)
            wide[page.relative_to(built), width] = browser.run(WIDE_TABLES)
    assert {page: tables for page, tables in wide.items() if tables} == {}


def test_of_a_session_only_the_commands_are_copied(built: Path, browser: Browser) -> None:
    page = "how-to/call-from-another-language"
    browser.open((built / f"{page}.html").as_uri())
    wait_until(lambda: browser.run(IS_THERE, BUTTONS), 15, "each block has a button")
    wanted = [copied_of(block) for block in read_page(f"docs/{page}.md").blocks]
    assert browser.run(COPIES, BUTTONS) == wanted


def copied_of(block: Block) -> str:
    if block.language == "console":
        return "\n".join(step.command for step in steps(block.text))
    return block.text.rstrip("\n")


@pytest.fixture(scope="module")
def texts() -> str:
    """Everything that the code can say, with gaps where values go."""
    folders = ("api", "cli", "config", "sandbox", "tasks")
    trees = (ast.parse(path.read_text()) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    constants = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = "\n".join(node.value for node in constants if isinstance(node.value, str))
    return re.sub(r"\{\w+\}", "\n", texts)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_explained_is_one_that_cellblock_gives(message: str, texts: str) -> None:
    assert all(part.strip() in texts for part in message.split("…"))


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 15
