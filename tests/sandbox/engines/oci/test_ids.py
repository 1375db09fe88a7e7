"""Ranges of host ids: no two cells share a range, and the range of a removed cell is free again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import EngineUnfit
from sandbox.engines.oci.ids import IdRanges

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SIZE = 100_000, 65_536


def ranges(folder: Path, count: int) -> IdRanges:
    return IdRanges(folder, FIRST, FIRST + count * SIZE - 1)


def test_each_cell_has_ids_of_its_own(tmp_path: Path) -> None:
    every = ranges(tmp_path, 20)
    taken = [every.take(f"cell-{number}") for number in range(20)]
    assert sorted(one.first for one in taken) == [FIRST + number * SIZE for number in range(20)]
    assert {one.size for one in taken} == {SIZE}


def test_one_cell_too_many_is_refused_with_what_to_try(tmp_path: Path) -> None:
    every = ranges(tmp_path, 1)
    every.take("one")
    with pytest.raises(EngineUnfit, match=r"^All 1 ranges .* Try: more ids in CELLBLOCK_UID_RANGE\.$"):
        every.take("two")


def test_what_is_given_back_is_taken_again(tmp_path: Path) -> None:
    every = ranges(tmp_path, 2)
    first, second = every.take("one"), every.take("two")
    every.give_back("one")
    assert every.take("three") == first
    every.give_back("nobody")
    assert {link.name for link in tmp_path.iterdir()} == {"0", "1"}
    assert first != second


def test_there_is_room_for_a_thousand_cells_by_default() -> None:
    first, last = load_settings().uid_bounds
    assert (last - first + 1) // SIZE == 1024
    assert last < 2**31
