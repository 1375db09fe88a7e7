"""Runs the suite with coverage, and reports which error branches of the product were not run.

python -m tests.mutation.cover [ARGUMENT OF PYTEST…]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from coverage import Coverage, CoverageData

from tests.mutation.error_branches import error_branches
from tests.mutation.line_map import keep_sources
from tests.mutation.paths import CONFIG, FOLDER, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_SIDE_BY_SIDE = ("-n", "3", "--max-worker-restart=0", "--dist", "loadfile", "--no-loadscope-reorder")
_RUNS = ((*_SIDE_BY_SIDE, "-m", "not alone"), ("-m", "alone"))


def main() -> int:
    """Measure, combine and report. Returns the exit code of pytest."""
    chosen = sys.argv[1:]
    if not chosen:
        shutil.rmtree(FOLDER / "coverage", ignore_errors=True)
    (FOLDER / "coverage").mkdir(parents=True, exist_ok=True)
    keep_sources()
    codes = [_run(arguments) for arguments in ([chosen] if chosen else _RUNS)]
    data = _combined()
    for line in report(data):
        print(line)
    return max(codes)


def _run(arguments: Sequence[str]) -> int:
    folder = str(FOLDER / "coverage")
    env = os.environ | {"COVERAGE_FOLDER": folder, "COVERAGE_PROCESS_START": str(CONFIG)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutation.plugin", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


def _combined() -> CoverageData:
    os.environ["COVERAGE_FOLDER"] = str(FOLDER / "coverage")
    coverage = Coverage(config_file=str(CONFIG))
    coverage.load()  # Load what earlier runs of other tests have recorded.
    coverage.combine([str(FOLDER / "coverage")], strict=False, keep=False)
    coverage.save()
    return coverage.get_data()


def report(data: CoverageData) -> list[str]:
    """The error branches that did not run, and how many did."""
    ran = missed = 0
    lines = []
    for path in sorted(ROOT.glob("*/**/*.py")):
        name = str(path.relative_to(ROOT))
        if not name.startswith(("sandbox/", "tasks/")):
            continue
        seen = set(data.lines(name) or data.lines(str(path)) or ())
        for first, body in error_branches(path.read_text()):
            if body & seen:
                ran += 1
            else:
                missed += 1
                lines.append(f"{name}:{first}: no test runs this error branch")
    total = max(1, ran + missed)
    return [*lines, f"{ran} of {total} error branches of sandbox and tasks ran ({100 * ran / total:.1f} %)"]


if __name__ == "__main__":
    sys.exit(main())
