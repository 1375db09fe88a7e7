"""Finds the number that a line had when the coverage was recorded, so that older coverage stays usable."""

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
    """Copy the product as it is now to the folder of its coverage."""
    for path in product_files():
        kept = _SOURCES / path
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, kept)


def line_then(path: str, line: int) -> int:
    """The line's number at that time. A new line gets the number of the nearest older line above it."""
    kept = _SOURCES / path
    return then_of(kept, ROOT / path)[line - 1] if kept.exists() else line


@cache
def then_of(old: Path, new: Path) -> list[int]:
    """For each line of the new file, its number in the old file."""
    before, now = old.read_text().splitlines(), new.read_text().splitlines()
    numbers: list[int] = []
    same = SequenceMatcher(None, before, now, autojunk=False)
    for _, old_from, old_to, new_from, new_to in same.get_opcodes():
        numbers += [max(1, min(old_from + 1 + at, old_to)) for at in range(new_to - new_from)]
    return numbers
