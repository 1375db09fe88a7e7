"""The one place where a test waits: for a fact, within a bound."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE", "becomes", "wait_until"]

#: How many times slower than the usual one the machine may be: an emulated one is 20 times slower.
PATIENCE = float(os.environ.get("PATIENCE", "1"))

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], within_s: float, what: str) -> T:
    """The first truthy answer of `predicate`; the test fails when none comes within `within_s` seconds.

    They are seconds of the usual machine, and more on a slow one.
    """
    answer = becomes(predicate, within_s)
    if not answer:
        pytest.fail(f"Not within {within_s * PATIENCE:g} s: {what}")
    return answer


def becomes(predicate: Callable[[], T], within_s: float) -> T:
    """The first truthy answer of `predicate`, or the last one that came within `within_s` such seconds."""
    until = time.monotonic() + within_s * PATIENCE
    while not (answer := predicate()) and time.monotonic() <= until:
        time.sleep(0.02)
    return answer
