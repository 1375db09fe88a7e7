"""The list of a runtime's waiting cells, and how many there should be."""

from __future__ import annotations

import socket

import pytest

from config.warm import WarmRange
from sandbox.cell import CellInfo
from sandbox.engines.engine import OpenCell
from sandbox.warm.shelf import Shelf

AGE_S = 100.0


def cell(name: str) -> OpenCell:
    with socket.socket() as unused:
        return OpenCell(name, CellInfo(engine="docker", container=name), (unused,))


def test_the_oldest_cell_is_taken_first() -> None:
    shelf = Shelf(WarmRange(2, 2), AGE_S)
    shelf.put(cell("old"), now=0)
    shelf.put(cell("new"), now=1)

    taken = shelf.take(now=2)

    assert taken is not None
    assert (taken.name, len(shelf)) == ("old", 1)


def test_an_empty_shelf_gives_nothing() -> None:
    assert Shelf(WarmRange(1, 1), AGE_S).take(now=0) is None


def test_a_cell_that_was_taken_is_missing_until_another_is_in_the_making() -> None:
    shelf = Shelf(WarmRange(1, 1), AGE_S)
    shelf.put(cell("a"), now=0)
    shelf.take(now=1)
    missing = shelf.missing(now=1)
    shelf.in_the_making += 1

    assert (missing, shelf.missing(now=1)) == (1, 0)


def test_cells_that_have_waited_too_long_are_taken_out() -> None:
    shelf = Shelf(WarmRange(2, 2), AGE_S)
    shelf.put(cell("old"), now=0)
    shelf.put(cell("new"), now=50)

    assert [old.name for old in shelf.take_old(now=AGE_S)] == ["old"]
    assert shelf.next_expiry() == 50 + AGE_S


@pytest.mark.parametrize(("claims", "target"), [(0, 2), (1, 2), (5, 5), (50, 8)])
def test_the_target_follows_demand_between_the_least_and_the_most(claims: int, target: int) -> None:
    shelf = Shelf(WarmRange(2, 8), AGE_S)
    for _ in range(claims):
        shelf.take(now=1)

    assert shelf.target(now=1) == target


def test_demand_is_forgotten() -> None:
    shelf = Shelf(WarmRange(0, 8), AGE_S)
    shelf.take(now=1)

    assert (shelf.target(now=11), shelf.target(now=11.1)) == (1, 0)


def test_every_cell_can_be_taken_out_at_once() -> None:
    shelf = Shelf(WarmRange(2, 2), AGE_S)
    shelf.put(cell("old"), now=0)
    shelf.put(cell("new"), now=1)

    assert [one.name for one in shelf.take_all()] == ["old", "new"]
    assert (len(shelf), shelf.next_expiry(), shelf.missing(now=1)) == (0, None, 2)


def test_a_full_shelf_lacks_nothing_and_a_cell_stays_until_its_age() -> None:
    shelf = Shelf(WarmRange(1, 1), AGE_S)
    shelf.put(cell("a"), now=0)
    shelf.put(cell("b"), now=0)

    assert (shelf.missing(now=1), shelf.take_old(now=AGE_S - 0.1)) == (0, [])
