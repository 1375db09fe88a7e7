"""The one place where a test waits: for a fact, within a bound."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE", "wait_until"]

#: How many times slower than the usual one the machine may be: an emulated one is 20 times slower.
PATIENCE = float(os.environ.get("PATIENCE", "1"))

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], within_s: float, what: str) -> T:
    """The first truthy answer of `predicate`; the test fails when none comes within `within_s` seconds.

    They are seconds of the usual machine, and more on a slow one.
    """
    within_s *= PATIENCE
    until = time.monotonic() + within_s
    while not (answer := predicate()):
        if time.monotonic() > until:
            pytest.fail(f"Not within {within_s:g} s: {what}")
        time.sleep(0.02)
    return answer
