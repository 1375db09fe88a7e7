"""The blocks of a page, as its author fenced them.

A block that starts with a comment which is nothing but a file's name is that file. `console` is a session of
the shell, with what it prints; `python` is run; `sh` is what changes a machine, and is read but not run.
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
#: What a page says that has a test of its own, which needs more than a worker.
_ELSEWHERE = re.compile(r"<!-- run by (tests/[\w/]+\.py) -->")

#: Every page that somebody wrote, by its path in the repository.
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if path.parent.name != "reference"
)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences. `file` is the name of the file that it is."""

    language: str
    text: str
    file: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page's blocks in their order."""

    path: Path
    blocks: tuple[Block, ...]
    elsewhere: str | None

    def of(self, language: str) -> list[Block]:
        """The blocks in a language that are no files."""
        return [block for block in self.blocks if block.language == language and block.file is None]

    @property
    def runs(self) -> bool:
        """Whether the page has anything to run that no other test runs."""
        return self.elsewhere is None and bool(self.of("console") or self.of("python"))


def read_page(name: str) -> Page:
    """The page at a path in the repository."""
    text = (ROOT / name).read_text()
    elsewhere = _ELSEWHERE.search(text)
    blocks = tuple(_block(language, dedent(body)) for _, language, body in _FENCE.findall(text))
    return Page(ROOT / name, blocks, elsewhere[1] if elsewhere else None)


def _block(language: str, body: str) -> Block:
    name = _NAME.match(body) if language not in ("console", "sh") else None
    return Block(language, body, Path(name[1]).name if name else None)
