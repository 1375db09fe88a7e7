"""Finds the tests that run a line, from the recorded coverage."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from coverage import CoverageData

from tests.mutation.collected import collected
from tests.mutation.function_bodies import lines_in_functions
from tests.mutation.line_map import line_then
from tests.mutation.paths import FOLDER, ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

__all__ = ["LineTests"]

# The tests of one fault may take this long together, by the times of the recorded run.
_BUDGET_S = 40.0


class LineTests:
    """The tests of each line, the fastest first."""

    def __init__(self, folder: Path = FOLDER / "coverage", there: Collection[str] | None = None) -> None:
        there = collected() if there is None else there
        self._data = CoverageData(basename=str(folder / ".coverage"))
        self._data.read()
        self._lines: dict[str, dict[int, list[str]]] = {}
        self._called: dict[str, set[int]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._sharers: dict[str, set[str]] = defaultdict(set)
        shared_by: dict[str, list[str]] = {}
        for note in map(json.loads, (folder / "durations.jsonl").read_text().splitlines()):
            if note["test"] in there:
                self._seconds[note["test"]] += note["seconds"]
                shared_by[note["test"]] = note["shared"]
        for test, names in shared_by.items():
            for name in names:
                self._sharers[name].add(test)
        self._shared_by = shared_by

    def of(self, path: str, line: int) -> list[str]:
        """The tests that run this line, as many as the time budget allows."""
        if path not in self._lines:
            self._lines[path] = self._data.contexts_by_lineno(path)
            self._called[path] = lines_in_functions((ROOT / path).read_text())
        if line not in self._called[path]:
            # The first import of the module runs its constants. So any test of it may notice the fault.
            return self.within_budget(
                path, self._with_sharers(chain.from_iterable(self._lines[path].values()))
            )
        # The coverage of a statement of several lines is recorded for its first line.
        known, line = self._lines[path], line_then(path, line)
        tests = next((known[at] for at in range(line, max(0, line - 12), -1) if known.get(at)), [])
        return self.within_budget(path, self._with_sharers(tests))

    def seconds(self, tests: Iterable[str]) -> float:
        """The seconds that these tests took in the recorded run."""
        return sum(self._seconds[test] for test in tests)

    def within_budget(self, path: str, tests: Iterable[str]) -> list[str]:
        """As many of these tests as the time budget allows, but at least one; the fastest first.

        Tests of files that import the module at `path` are chosen first, then those of its folder: they test
        it, while others only run the line by chance. The fastest test of each file comes before a second one
        of any.
        """
        chosen: list[str] = []
        total = 0.0
        for test in self._by_relevance(path, tests):
            if not chosen or total + self._seconds[test] <= _BUDGET_S:
                total += self._seconds[test]
                chosen.append(test)
        return sorted(chosen, key=self._pace)

    def _by_relevance(self, path: str, tests: Iterable[str]) -> list[str]:
        of_file: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=self._pace):
            of_file[test.partition("::")[0]].append(test)
        module, folder = path.removesuffix(".py").replace("/", "."), f"tests/{path.rpartition('/')[0]}"
        named = chain.from_iterable(found for file, found in of_file.items() if _names(file, module))
        beside = [found for file, found in of_file.items() if file.rpartition("/")[0] == folder]
        in_order = (sorted(named, key=self._pace), self._in_turns(beside), self._in_turns(of_file.values()))
        return list(dict.fromkeys(chain.from_iterable(in_order)))

    def _in_turns(self, of_files: Iterable[list[str]]) -> Iterator[str]:
        """The fastest test of each file, then the second of each, and so on."""
        for turn in zip_longest(*of_files):
            yield from sorted(filter(None, turn), key=self._pace)

    def _pace(self, test: str) -> tuple[float, str]:
        return self._seconds[test], test

    def _with_sharers(self, tests: Iterable[str]) -> set[str]:
        """Add the tests that share a process with one of these tests: the line may have run for them."""
        found = {test for test in tests if test in self._shared_by}
        for name in {name for test in found for name in self._shared_by[test]}:
            found |= self._sharers[name]
        return found


@cache
def _names(file: str, module: str) -> bool:
    """Whether a test file contains the name of the module as a whole word."""
    parent, _, name = module.rpartition(".")
    text = (ROOT / file).read_text() if (ROOT / file).exists() else ""
    return bool(re.search(rf"\b{re.escape(module)}\b|\bfrom {re.escape(parent)} import .*\b{name}\b", text))
