"""The pages build without warnings, and every link and every anchor in them exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^### `(.*)`$", TROUBLES, re.MULTILINE)


def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-nW", "--keep-going", "-q", "docs"]
    options = ["-d", str(tmp_path / "trees"), str(tmp_path / "html")]
    built = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    assert (tmp_path / "html" / "troubleshooting.html").exists()


@pytest.fixture(scope="module")
def texts() -> str:
    """All string constants of the product, with gaps in place of values."""
    folders = ("cli", "config", "sandbox", "tasks")
    trees = (ast.parse(path.read_text()) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    constants = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = "\n".join(node.value for node in constants if isinstance(node.value, str))
    return re.sub(r"\{\w+\}", "\n", texts)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_explained_is_one_that_cellblock_gives(message: str, texts: str) -> None:
    assert all(part.strip() in texts for part in message.split("…"))


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 15
