"""Grades what students hand in: each program is compiled once, and run with each input in a cell of its own.

    python examples/grader/grade.py examples/grader/tests.json examples/grader/handed_in/*

Needs `cellblock-client`, and a worker on the broker that CELLBLOCK_BROKER_URL names.
"""

import json
import os
import sys
from pathlib import Path

from cellblock import Cellblock, CellblockError, Result, RunVerdict

cells = Cellblock(os.environ.get("CELLBLOCK_BROKER_URL", "redis://localhost:6379/0"))
tests = json.loads(Path(sys.argv[1]).read_text())


def points(result: Result) -> str:
    """How many tests were passed, and what happened at the first that was not."""
    if result.stage == "compile":
        return "0 points: does not compile"
    right = sum(run.verdict is RunVerdict.ACCEPTED for run in result.runs)
    failed = next((run for run in result.runs if run.verdict is not RunVerdict.ACCEPTED), None)
    why = f": {failed.name}: {failed.limit or failed.verdict or failed.status}" if failed else ""
    return f"{right} of {len(result.runs)} points{why}"


jobs = {
    path.name: cells.submit(
        None, files={path.name: path.read_bytes()}, runs=tests, compare="tokens", timeout=20, cpu_time=1
    )
    for path in map(Path, sys.argv[2:])
}
for name, job in jobs.items():
    try:
        print(f"{name}: {points(job.get(timeout=300))}")
    except CellblockError as error:
        print(f"{name}: not graded: {error}")
