"""Ranges of host ids. Each cell has its own range, so no two cells are the same user to the kernel."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.uid_range import IDS_PER_CELL
from sandbox.engines.oci.folder_lock import locked
from sandbox.errors import EngineUnfit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["IdRange", "IdRanges"]


@dataclass(frozen=True, slots=True)
class IdRange:
    """The host ids `first` to `first + size - 1`."""

    first: int
    size: int = IDS_PER_CELL


class IdRanges:
    """The ranges of one host. A link in a folder that all processes use says which cell has which range."""

    def __init__(self, folder: Path, first: int, last: int) -> None:
        self._folder = folder
        self._first = first
        #: How many cells can have ids at a time.
        self.count = (last - first + 1) // IDS_PER_CELL

    def take(self, cell: str) -> IdRange:
        """A range that no other cell has.

        Raises:
            EngineUnfit: all ranges are in use.
        """
        with locked(self._folder):
            taken = {int(link.name) for link in self._folder.iterdir()}
            free = [number for number in range(self.count) if number not in taken]
            if not free:
                raise EngineUnfit(
                    f"All {self.count} ranges of ids are in use. Try: more ids in CELLBLOCK_UID_RANGE."
                )
            # Not the first one: the kernel may still count something for a range that was just given back.
            chosen = random.choice(free)  # noqa: S311  not a secret
            (self._folder / str(chosen)).symlink_to(cell)
        return IdRange(self._first + chosen * IDS_PER_CELL)

    def give_back(self, cell: str) -> None:
        """Free the range of a cell that has been removed, if it has one."""
        if self._folder.is_dir():
            with locked(self._folder):
                for link in self._folder.iterdir():
                    if os.readlink(link) == cell:  # noqa: PTH115  takes a third of the time, for every cell
                        link.unlink()
                        break
