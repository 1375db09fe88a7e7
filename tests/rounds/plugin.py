"""A plugin of pytest that leaves out every test whose own code reads no clock."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["reads_clock"]

_CLOCK = re.compile(r"\b(monotonic|perf_counter|time\.time|becomes|taken_s)\b")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that read a clock."""
    kept = [item for item in items if isinstance(item, pytest.Function) and reads_clock(item.function)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def reads_clock(test: Callable[..., object]) -> bool:
    """Whether the code of a test says how long something takes, or that something does not happen."""
    return bool(_CLOCK.search(inspect.getsource(test)))
