"""Which tests run a line, as the coverage has noted it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from coverage import CoverageData

from tests.mutation.function_bodies import lines_in_functions
from tests.mutation.line_map import line_then
from tests.mutation.paths import FOLDER, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["LineTests"]

# As long as the tests of one fault may take together, as they took when they passed.
_BUDGET_S = 40.0


class LineTests:
    """The tests of each line, the quickest first."""

    def __init__(self, folder: Path = FOLDER / "coverage") -> None:
        self._data = CoverageData(basename=str(folder / ".coverage"))
        self._data.read()
        self._lines: dict[str, dict[int, list[str]]] = {}
        self._called: dict[str, set[int]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._sharers: dict[str, set[str]] = defaultdict(set)
        shared_by: dict[str, list[str]] = {}
        for note in map(json.loads, (folder / "durations.jsonl").read_text().splitlines()):
            self._seconds[note["test"]] += note["seconds"]
            shared_by[note["test"]] = note["shared"]
        for test, names in shared_by.items():
            for name in names:
                self._sharers[name].add(test)
        self._shared_by = shared_by

    def of(self, path: str, line: int) -> list[str]:
        """Those that run the line, as many as fit into the budget."""
        if path not in self._lines:
            self._lines[path] = self._data.contexts_by_lineno(path)
            self._called[path] = lines_in_functions((ROOT / path).read_text())
        if line not in self._called[path]:
            # Whoever imports the module first runs a constant. Any test of the module may miss it.
            return self.within_budget(
                path, self._with_sharers(chain.from_iterable(self._lines[path].values()))
            )
        # A line of a statement that spans several is known by its first.
        known, line = self._lines[path], line_then(path, line)
        tests = next((known[at] for at in range(line, max(0, line - 12), -1) if known.get(at)), [])
        return self.within_budget(path, self._with_sharers(tests))

    def seconds(self, tests: Iterable[str]) -> float:
        """How long they took."""
        return sum(self._seconds[test] for test in tests)

    def within_budget(self, path: str, tests: Iterable[str]) -> list[str]:
        """Those that take no longer than the budget together, and one at the least; the quickest first.

        Those of files that import the module at `path` come in first: they are about it, where others only
        happen to run the line. Of the others, the quickest of each file comes in before the second of any.
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
        module = path.removesuffix(".py").replace("/", ".")
        about = [test for file in of_file if _names(file, module) for test in of_file[file]]
        turns = zip_longest(*of_file.values())
        others = [test for turn in turns for test in sorted(filter(None, turn), key=self._pace)]
        return list(dict.fromkeys([*sorted(about, key=self._pace), *others]))

    def _pace(self, test: str) -> tuple[float, str]:
        return self._seconds[test], test

    def _with_sharers(self, tests: Iterable[str]) -> set[str]:
        """With those whose lines run in a process that an earlier test has started."""
        found = {test for test in tests if test in self._shared_by}
        for name in {name for test in found for name in self._shared_by[test]}:
            found |= self._sharers[name]
        return found


@cache
def _names(file: str, module: str) -> bool:
    """Whether a file of tests names the module, as a whole word."""
    parent, _, name = module.rpartition(".")
    text = (ROOT / file).read_text() if (ROOT / file).exists() else ""
    return bool(re.search(rf"\b{re.escape(module)}\b|\bfrom {re.escape(parent)} import .*\b{name}\b", text))
