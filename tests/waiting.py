"""The only place where tests wait: for a condition, within a time limit."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE", "becomes", "wait_until"]

#: How many times slower than a usual machine this one is. An emulated machine is 20 times slower.
PATIENCE = float(os.environ.get("PATIENCE", "1"))

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], within_s: float, what: str) -> T:
    """The first truthy answer of `predicate`. The test fails if there is none within `within_s` seconds.

    The time limit is for a usual machine; it is longer on a slow one.
    """
    answer = becomes(predicate, within_s)
    if not answer:
        pytest.fail(f"Not within {within_s * PATIENCE:g} s: {what}")
    return answer


def becomes(predicate: Callable[[], T], within_s: float) -> T:
    """The first truthy answer of `predicate`, or the last answer. The time limit is as in `wait_until`."""
    until = time.monotonic() + within_s * PATIENCE
    while not (answer := predicate()) and time.monotonic() <= until:
        time.sleep(0.02)
    return answer
