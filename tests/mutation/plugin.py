"""A plugin of pytest: every test is a context of the coverage, also in the programs that it starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of a test that uses one of these, some lines run in a process that another test has started.
_SHARED = ("worker", "byname")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Say before each test, and before its fixtures, whose the lines are from now on."""
    os.environ["COVERAGE_CONTEXT"] = item.nodeid
    measured = Coverage.current()
    if measured is not None:
        measured.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how long a test took in all, and what it shares with others."""
    shared = [name for name in _SHARED if name in report.keywords]
    _note({"test": report.nodeid, "seconds": report.duration, "shared": shared})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the report know the fixtures."""
    for item in items:
        item.extra_keyword_matches.update(set(getattr(item, "fixturenames", ())) & set(_SHARED))


def _note(fact: dict[str, Any]) -> None:
    folder = os.environ.get("COVERAGE_FOLDER")
    # With several processes, each has its own reports and the first has all of them.
    if folder and "PYTEST_XDIST_WORKER" not in os.environ:
        with (Path(folder) / "durations.jsonl").open("a") as notes:
            notes.write(json.dumps(fact) + "\n")
