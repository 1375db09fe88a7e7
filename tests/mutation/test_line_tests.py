"""Which tests are chosen for a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from coverage import CoverageData

from tests.mutation.line_tests import LineTests
from tests.mutation.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BESIDE = "tests/cli/test_none.py::test_of_the_folder"
BY_CHANCE = "tests/tasks/test_none.py::test_that_is_fast"
GONE = "tests/cli/test_none.py::test_that_is_gone"
SECONDS = {BESIDE: 30.0, BY_CHANCE: 20.0, GONE: 0.1}
LINES = (ROOT / "cli/reap.py").read_text().splitlines()
LINE = next(number for number, text in enumerate(LINES, 1) if "load_settings()" in text)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Gives the folder of a recorded run, in which each of these tests has run the module."""
    data = CoverageData(basename=str(tmp_path / ".coverage"))
    for test in SECONDS:
        data.set_context(test)
        data.add_lines({"cli/reap.py": range(1, len(LINES))})
    data.write()
    notes = [{"test": test, "seconds": seconds, "shared": []} for test, seconds in SECONDS.items()]
    (tmp_path / "durations.jsonl").write_text("\n".join(map(json.dumps, notes)))
    return tmp_path


def test_a_test_beside_the_module_comes_before_a_faster_one_that_only_runs_it(recorded: Path) -> None:
    assert LineTests(recorded, {BESIDE, BY_CHANCE}).of("cli/reap.py", LINE) == [BESIDE]


def test_a_test_that_is_there_no_more_is_not_chosen(recorded: Path) -> None:
    assert GONE not in LineTests(recorded, {BESIDE, BY_CHANCE}).of("cli/reap.py", LINE)
