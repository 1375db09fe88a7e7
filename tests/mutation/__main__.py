"""Makes faults and prints those that no test notices. The exit code is 1 if one of them is not accepted.

python -m tests.mutation [PATH…] [--since COMMIT] [--minutes M] [--jobs N] [--sample N] [--seed S]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.mutation import accepted
from tests.mutation.changed_lines import changed_lines
from tests.mutation.copies import copies
from tests.mutation.line_tests import LineTests
from tests.mutation.mutants import Mutant, all_mutants, product_files
from tests.mutation.report import Report
from tests.mutation.results import Results
from tests.mutation.trial import Verdict, attempt

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["main"]


def main() -> int:
    """Try the chosen faults within the time limit. Returns whether a fault survived."""
    options = _options()
    until = time.monotonic() + 60 * options.minutes
    line_tests, results, report = LineTests(), Results(), Report()
    free: SimpleQueue[Path] = SimpleQueue()

    def judge(mutant: Mutant) -> tuple[Mutant, Verdict] | None:
        tests = line_tests.of(mutant.path, mutant.line)
        known = results.get(mutant, tests)
        if known is not None or time.monotonic() > until:
            return (mutant, known) if known else None
        tree = free.get()
        try:
            verdict = attempt(mutant, tree, tests, line_tests.seconds(tests))
        finally:
            free.put(tree)
        results.add(mutant, tests, verdict)
        return mutant, verdict

    with copies(options.jobs) as trees, ThreadPoolExecutor(options.jobs) as threads:
        for tree in trees:
            free.put(tree)
        for found in threads.map(judge, _chosen(options)):
            report.add(found)
    for line in report.lines():
        print(line)
    return bool(report.survivors)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Faults against the tests.")
    parser.add_argument("paths", nargs="*", help="files or folders of the product; all, if not given")
    parser.add_argument("--since", help="only lines that are new since this commit")
    parser.add_argument("--minutes", type=float, default=10.0, help="no new fault after so many minutes")
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time")
    parser.add_argument("--sample", type=int, help="so many faults, chosen by chance")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Mutant]:
    """The chosen faults in random order, so that a run that ends early has tried all parts of the product."""
    paths = [path for path in product_files() if not options.paths or path.startswith(tuple(options.paths))]
    mutants = [one for one in all_mutants(paths) if accepted.reason(one) is None]
    if options.since:
        lines = changed_lines(options.since)
        mutants = [one for one in mutants if one.line in lines.get(one.path, ())]
    random.Random(options.seed).shuffle(mutants)
    return mutants[: options.sample]


if __name__ == "__main__":
    sys.exit(main())
