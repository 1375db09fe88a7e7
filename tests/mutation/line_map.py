"""Where a line was when the coverage was taken, so that older coverage still tells which tests run it."""

from __future__ import annotations

import shutil
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING

from tests.mutation.mutants import product_files
from tests.mutation.paths import FOLDER, ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["keep_sources", "line_then"]

_SOURCES = FOLDER / "coverage" / "sources"


def keep_sources() -> None:
    """Keep the product as it is now, beside its coverage."""
    for path in product_files():
        kept = _SOURCES / path
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, kept)


def line_then(path: str, line: int) -> int:
    """The line's number at that time; of a new line, that of the nearest line above it that is not new."""
    kept = _SOURCES / path
    return then_of(kept, ROOT / path)[line - 1] if kept.exists() else line


@cache
def then_of(old: Path, new: Path) -> list[int]:
    """For each line of the new file, its number in the old one."""
    before, now = old.read_text().splitlines(), new.read_text().splitlines()
    numbers: list[int] = []
    same = SequenceMatcher(None, before, now, autojunk=False)
    for _, old_from, old_to, new_from, new_to in same.get_opcodes():
        numbers += [max(1, min(old_from + 1 + at, old_to)) for at in range(new_to - new_from)]
    return numbers
