"""Reads the fenced blocks of a page.

A block whose first line is a comment with only a file's name is that file. A `console` block has commands
of a shell and their output. A `python` block is run. An `sh` block would change the machine, so it is
read but not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.programs import ROOT

__all__ = ["PAGES", "Block", "Page", "read_page"]

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"(?:#|//) ([\w./-]+\.\w+)\n")
#: Marks a page whose examples are run by another test, because they need more than a worker.
_ELSEWHERE = re.compile(r"<!-- run by (tests/[\w/]+\.py) -->")

#: All pages that are not generated, by their paths in the repository.
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if path.parent.name != "reference"
)


@dataclass(frozen=True, slots=True)
class Block:
    """The text between two fences. `file` is the file's name if the block is a file."""

    language: str
    text: str
    file: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """The blocks of a page in order."""

    path: Path
    blocks: tuple[Block, ...]
    elsewhere: str | None

    def of(self, language: str) -> list[Block]:
        """The blocks in this language that are not files."""
        return [block for block in self.blocks if block.language == language and block.file is None]

    @property
    def runs(self) -> bool:
        """Whether the page has blocks to run that no other test runs."""
        return self.elsewhere is None and bool(self.of("console") or self.of("python"))


def read_page(name: str) -> Page:
    """Read the page at this path in the repository."""
    text = (ROOT / name).read_text()
    elsewhere = _ELSEWHERE.search(text)
    blocks = tuple(_block(language, dedent(body)) for _, language, body in _FENCE.findall(text))
    return Page(ROOT / name, blocks, elsewhere[1] if elsewhere else None)


def _block(language: str, body: str) -> Block:
    name = _NAME.match(body) if language not in ("console", "sh") else None
    return Block(language, body, Path(name[1]).name if name else None)
