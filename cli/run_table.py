"""Shows the results of a job's runs as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.show import print_table
from config import format_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.answer import AnsweredRun

__all__ = ["show_runs"]

_COLUMNS = ("RUN", "VERDICT", "STATUS", "LIMIT", "SECONDS", "CPU", "MEMORY")


def show_runs(runs: Sequence[AnsweredRun]) -> None:
    """One row for each run."""
    print_table(_COLUMNS, map(_row, runs))


def _row(run: AnsweredRun) -> tuple[object, ...]:
    cpu = "" if run.cpu_seconds is None else f"{run.cpu_seconds:.3f}"
    memory = "" if run.memory_peak is None else format_bytes(run.memory_peak)
    return run.name, run.verdict, run.status, run.limit, f"{run.duration:.3f}", cpu, memory
