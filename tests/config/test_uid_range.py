"""The range of host ids that an operator gives to cells."""

from __future__ import annotations

import pytest

from config import InvalidSetting, load_settings
from config.uid_range import parse_uid_range


def test_both_ends_are_part_of_a_range() -> None:
    assert parse_uid_range("100000-165535") == (100_000, 165_535)


@pytest.mark.parametrize("text", ["", "5", "a-b", "-5", "9-3", "100000-165534", "0-4294967295", "1-2-3"])
def test_a_range_with_no_room_for_a_cell_stops_the_worker_at_its_start(text: str) -> None:
    with pytest.raises(InvalidSetting, match="CELLBLOCK_UID_RANGE"):
        load_settings(uid_range=text)
