"""A pytest plugin that records coverage by test, also in the programs that a test starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

# A test that uses one of these runs some lines in a process that another test has started.
_SHARED = ("worker", "byname")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Set the test as the context of the coverage before its fixtures run."""
    os.environ["COVERAGE_CONTEXT"] = item.nodeid
    measured = Coverage.current()
    if measured is not None:
        measured.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record how long a test took, and which shared fixtures it uses."""
    shared = [name for name in _SHARED if name in report.keywords]
    _note({"test": report.nodeid, "seconds": report.duration, "shared": shared})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the shared fixtures to the keywords of the reports."""
    for item in items:
        item.extra_keyword_matches.update(set(getattr(item, "fixturenames", ())) & set(_SHARED))


def _note(fact: dict[str, Any]) -> None:
    folder = os.environ.get("COVERAGE_FOLDER")
    # With pytest-xdist each process has its own reports, and the main process gets all of them.
    if folder and "PYTEST_XDIST_WORKER" not in os.environ:
        with (Path(folder) / "durations.jsonl").open("a") as notes:
            notes.write(json.dumps(fact) + "\n")
