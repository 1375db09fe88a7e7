"""The usage of a job: the kernel's count, and within its bounds the supervisor's word."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox.engines.cgroup import ControlGroup
from sandbox.engines.job_usage import JobUsage
from sandbox.events import Usage

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000


def spend(root: Path, cpu_ms: float) -> None:
    """Set what the kernel has counted since the cell was made."""
    (root / "cpuacct/cellblock/one/cpuacct.usage").write_text(f"{round(cpu_ms * MS)}\n")


def used_ms(root: Path, reported_ms: float | None, *, orders_bytes: int = 0) -> float | None:
    """The CPU time of a job in a cell that has used 100 ms before, 8 ms until the start, and 58 in all."""
    job = JobUsage(ControlGroup("/cellblock/one", root))
    spend(root, 100)
    job.hand_over(orders_bytes)
    spend(root, 108)
    job.start()
    spend(root, 158)
    reported = Usage() if reported_ms is None else Usage(cpu_ns=round(reported_ms * MS))
    cpu_ns = job.at_end(reported).cpu_ns
    return None if cpu_ns is None else cpu_ns / MS


def test_the_supervisors_word_counts_while_it_is_possible(version_1: Path) -> None:
    assert used_ms(version_1, 51) == 51


def test_without_its_word_a_job_has_used_what_was_counted_since_its_start(version_1: Path) -> None:
    assert used_ms(version_1, None) == 50


def test_a_word_that_is_too_low_hides_no_more_than_a_supervisor_may_need(version_1: Path) -> None:
    assert used_ms(version_1, 0) == 58 - 20


def test_the_more_a_supervisor_unpacks_the_more_it_may_need(version_1: Path) -> None:
    assert used_ms(version_1, 0, orders_bytes=1_000_000) == 58 - 20 - 4


def test_a_word_that_is_too_high_is_what_was_counted_since_the_hand_over(version_1: Path) -> None:
    assert used_ms(version_1, 1_000_000) == 58


def test_memory_and_kills_are_those_that_the_kernel_counts(version_1: Path) -> None:
    job = JobUsage(ControlGroup("/cellblock/one", version_1))
    job.hand_over(0)
    usage = job.at_end(Usage(cpu_ns=0, peak_bytes=1, oom_kills=0))
    assert (usage.peak_bytes, usage.oom_kills) == (4096, 2)


@pytest.mark.parametrize("path", [None, "/cellblock/gone"])
def test_where_no_group_can_be_read_the_word_is_all_that_is_known(version_1: Path, path: str | None) -> None:
    job = JobUsage(ControlGroup(path, version_1) if path else None)
    job.hand_over(0)
    job.start()
    assert job.at_end(Usage(1, 2, 3)) == Usage(1, 2, 3)


def test_a_group_that_is_gone_before_the_end_takes_no_word_away(version_1: Path) -> None:
    job = JobUsage(ControlGroup("/cellblock/one", version_1))
    job.hand_over(0)
    shutil.rmtree(version_1)
    assert job.at_end(Usage(1, 2, 3)) == Usage(1, 2, 3)


def test_kills_for_memory_count_also_where_the_cpu_time_is_unknown(version_1: Path) -> None:
    job = JobUsage(ControlGroup("/cellblock/one", version_1))
    assert job.at_end(Usage(1, 2, 3)) == Usage(1, 4096, 2)


def test_no_word_counts_for_what_an_older_kernel_does_not_count(version_2: Path) -> None:
    (version_2 / "cellblock/one/memory.peak").unlink()
    job = JobUsage(ControlGroup("/cellblock/one", version_2))
    assert job.at_end(Usage(1, 2, 3)) == Usage(1, None, 2)
