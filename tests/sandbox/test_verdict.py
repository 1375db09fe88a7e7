"""The status of a job, decided from who stopped it, its memory and its exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from sandbox.cell import Evidence
from sandbox.errors import CellLost
from sandbox.events import Ended, Usage
from sandbox.result import Status
from sandbox.verdict import judge, signal_name
from sandbox.watch import Ending
from tests.sandbox.test_capture import capture

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse


def reported(exit_code: int, *, oom_kills: int | None = 0, stopped: Status | None = None) -> Ending:
    return Ending(stopped, Ended(exit_code, Usage(oom_kills=oom_kills)), None, 1.0)


def struck(exit_code: int, *, oom_kills: int | None = 0, stopped: Status | None = None) -> Ending:
    """The ending of a job that a signal has killed."""
    return Ending(stopped, Ended(exit_code, Usage(oom_kills=oom_kills), by_signal=True), None, 1.0)


def with_heap(exit_code: int) -> Ending:
    """The ending of a job whose runtime has reported a full heap."""
    return Ending(None, Ended(exit_code, Usage(oom_kills=0), heap_full=True), None, 1.0)


def aborted(peak_mib: int | None) -> Ending:
    peak = None if peak_mib is None else peak_mib << 20
    return Ending(None, Ended(134, Usage(peak_bytes=peak, oom_kills=0), by_signal=True), None, 1.0)


def seen(exit_code: int | None, *, out_of_memory: bool = False, stopped: Status | None = None) -> Ending:
    return Ending(stopped, None, Evidence(exit_code, out_of_memory), 1.0)


@pytest.mark.parametrize(
    ("ending", "status", "name"),
    [
        (reported(0), Status.SUCCEEDED, None),
        (reported(3), Status.FAILED, None),
        (reported(127), Status.FAILED, None),
        (reported(128), Status.FAILED, None),
        (struck(139), Status.SIGNALED, "SIGSEGV"),
        (struck(137), Status.SIGNALED, "SIGKILL"),
        (reported(255), Status.FAILED, None),
        (reported(139), Status.FAILED, None),
        (reported(143), Status.FAILED, None),
        (with_heap(1), Status.OUT_OF_MEMORY, None),
        (with_heap(0), Status.SUCCEEDED, None),
        (aborted(511), Status.SIGNALED, "SIGABRT"),
        (struck(137, oom_kills=1), Status.OUT_OF_MEMORY, "SIGKILL"),
        (reported(1, oom_kills=1), Status.OUT_OF_MEMORY, None),
        (reported(0, oom_kills=1), Status.SUCCEEDED, None),
        (struck(137, oom_kills=None), Status.SIGNALED, "SIGKILL"),
        (reported(0, stopped=Status.TIMED_OUT), Status.TIMED_OUT, None),
        (struck(137, oom_kills=1, stopped=Status.TIMED_OUT), Status.TIMED_OUT, "SIGKILL"),
        (reported(0, stopped=Status.OUTPUT_LIMIT), Status.OUTPUT_LIMIT, None),
        (struck(143, stopped=Status.CANCELLED), Status.CANCELLED, "SIGTERM"),
        (seen(137, out_of_memory=True), Status.OUT_OF_MEMORY, "SIGKILL"),
        (seen(137, stopped=Status.TIMED_OUT), Status.TIMED_OUT, "SIGKILL"),
        (seen(0), Status.SUCCEEDED, None),
        (seen(2), Status.FAILED, None),
        (seen(None, stopped=Status.TIMED_OUT), Status.TIMED_OUT, None),
    ],
)
def test_who_stopped_it_comes_first_then_memory_then_the_exit_code(
    parse: Parse, ending: Ending, status: Status, name: str | None
) -> None:
    verdict = judge(ending, parse(memory="512m"))
    assert (verdict.status, verdict.signal) == (status, name)


def test_a_kill_from_outside_says_nothing_about_the_job(parse: Parse) -> None:
    with pytest.raises(CellLost, match="killed from outside"):
        judge(seen(137), parse())


@pytest.mark.parametrize(
    ("peak_mib", "status"),
    [(384, Status.OUT_OF_MEMORY), (383, Status.SIGNALED), (None, Status.SIGNALED)],
)
def test_an_abort_with_a_full_heap_is_out_of_memory_where_the_runtime_aborts_then(
    parse: Parse, peak_mib: int | None, status: Status
) -> None:
    assert judge(aborted(peak_mib), parse(runtime="dotnet", memory="512m")).status is status


@pytest.mark.parametrize(
    ("runtime", "says", "status"),
    [
        ("python", "Traceback (most recent call last):\n  File x\nMemoryError\n", Status.OUT_OF_MEMORY),
        (
            "node",
            "RangeError: Array buffer allocation failed\n    at x\n\nNode.js v22\n",
            Status.OUT_OF_MEMORY,
        ),
        ("python", "MemoryError\nTraceback (most recent call last):\n  File x\nKeyError\n", Status.FAILED),
        ("python", "It was no MemoryError\n", Status.FAILED),
        ("cpp", "MemoryError\n", Status.FAILED),
        ("python", "", Status.FAILED),
    ],
)
def test_a_failure_whose_last_words_are_its_runtimes_for_it_is_out_of_memory(
    parse: Parse, runtime: str, says: str, status: Status
) -> None:
    assert judge(reported(1), parse(runtime=runtime), capture([says.encode()], 1000)).status is status


def test_a_success_stays_one_whatever_it_says(parse: Parse) -> None:
    verdict = judge(reported(0), parse(runtime="python"), capture([b"MemoryError\n"], 1000))
    assert verdict.status is Status.SUCCEEDED


@pytest.mark.parametrize("number", sorted(signal.Signals), ids=lambda number: number.name)
def test_every_signal_has_its_name_at_128_and_its_number(number: signal.Signals) -> None:
    assert signal_name(128 + number) == number.name


@pytest.mark.parametrize("exit_code", [None, 0, 1, 126, 127, 128, 255])
def test_other_exit_codes_are_no_signal(exit_code: int | None) -> None:
    assert signal_name(exit_code) is None


@pytest.mark.parametrize(
    ("cpu_s", "status"), [(0.9, Status.SUCCEEDED), (1.0, Status.TIMED_OUT), (None, Status.SUCCEEDED)]
)
def test_a_job_that_has_used_its_processor_time_has_timed_out(
    parse: Parse, cpu_s: float | None, status: Status
) -> None:
    usage = Usage(cpu_ns=None if cpu_s is None else int(cpu_s * 1e9), oom_kills=0)
    verdict = judge(Ending(None, Ended(0, usage), None, 1.0), parse(cpu_time=1))
    assert (verdict.status, verdict.limit) == (status, "cpu_time" if status is Status.TIMED_OUT else None)
