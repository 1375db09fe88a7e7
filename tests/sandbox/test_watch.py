"""How the worker follows a job to its end. The two streams may report the end in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Observer, Status
from sandbox.cell import Evidence
from sandbox.events import STDOUT, Archived, Ended, Event, Output, Started, Usage
from sandbox.watch import Ending, Watch
from tests.clock import Clock
from tests.sandbox.told import TimedCell, ToldCell

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Parse

END = Ended(0, Usage())
FIRST, SECOND = Archived(b"first "), Archived(b"second")


@pytest.mark.parametrize(
    "polls",
    [
        [[Started()], [END, FIRST], [SECOND]],
        [[Started()], [FIRST, END, SECOND]],
        [[Started()], [FIRST], [SECOND], [END]],
        [[Started(), FIRST, SECOND, END]],
        [[Started()], [FIRST], [END, SECOND]],
    ],
    ids=["after the end", "around it", "before it", "all at once", "one poll before it"],
)
def test_the_archive_is_whole_whenever_the_end_mark_of_stderr_comes(
    parse: Parse, polls: list[list[Event]]
) -> None:
    watch = Watch(ToldCell(*polls), parse(artifacts=["**"]), bound_s=5, observer=Observer())
    watch.until_started()
    assert watch.until_ended().report == END
    assert b"".join(watch.archive()) == b"first second"


def test_a_job_that_forges_its_end_and_goes_on_writing_is_stopped(parse: Parse) -> None:
    flood: list[Event] = [Archived(b"x" * 50_000)] * 4
    cell = ToldCell([Started()], flood, [END])
    watch = Watch(cell, parse(artifacts=["**"], disk="64k"), bound_s=5, observer=Observer())
    watch.until_started()
    assert (watch.until_ended().stopped, cell.kills) == (Status.OUTPUT_LIMIT, 1)
    assert sum(map(len, watch.archive())) <= 2 * (64 << 10)


def test_output_before_the_end_is_captured_and_no_part_of_the_archive(parse: Parse) -> None:
    watch = Watch(
        ToldCell([Started()], [Output(STDOUT, b"hi"), FIRST, END]), parse(), bound_s=5, observer=Observer()
    )
    watch.until_started()
    watch.until_ended()
    assert (watch.captures[STDOUT].text(), list(watch.archive())) == ("hi", [FIRST.data])


def test_a_cell_that_closes_after_its_archive_and_before_its_end_has_not_reported(parse: Parse) -> None:
    watch = Watch(ToldCell([Started()], [FIRST]), parse(), bound_s=5, observer=Observer())
    watch.until_started()
    ending = watch.until_ended()
    assert (ending.report, ending.evidence) == (None, Evidence(exit_code=1))


def test_a_job_that_starves_is_killed_and_was_out_of_memory(parse: Parse) -> None:
    cell = ToldCell([Started()], [], [Ended(137, Usage())])
    watch = Watch(cell, parse(), bound_s=5, observer=Observer())
    watch.until_started()
    cell.starving = True
    assert (watch.until_ended().stopped, cell.kills) == (Status.OUT_OF_MEMORY, 1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("sandbox.watch.time", clock)
    monkeypatch.setattr("sandbox.deadline.time", clock)
    return clock


def follow(cell: TimedCell, job: Job) -> Ending:
    watch = Watch(cell, job, bound_s=15, observer=Observer())
    watch.until_started()
    return watch.until_ended()


def test_the_time_that_a_job_takes_to_be_handed_over_is_not_its_own(parse: Parse, clock: Clock) -> None:
    """This also holds if the first output comes together with the report of the start."""
    news: list[Event] = [Started(), Output(STDOUT, b"hi")]
    cell = TimedCell(clock, 5.0, (0.1, news), (0.9, []), (0.2, []), (0.1, [END]))
    assert follow(cell, parse(timeout=1)).stopped is Status.TIMED_OUT
    assert cell.terminated_at_s == pytest.approx(1000 + 5 + 0.1 + 0.9 + 0.2)


@pytest.mark.parametrize("lasted_s", [0.99, 1.0, 1.01])
def test_a_duration_is_not_below_what_the_command_took_when_the_news_of_its_start_is_late(
    parse: Parse, clock: Clock, lasted_s: float
) -> None:
    cell = TimedCell(clock, 0.5, (1.0, [Started()]), (0.1, [Ended(0, Usage(), lasted_s)]))
    assert 1.0 <= follow(cell, parse()).duration_s <= 1.6


def test_a_cell_that_tells_no_time_of_its_own_gives_no_duration_that_is_too_short(
    parse: Parse, clock: Clock
) -> None:
    cell = TimedCell(clock, 0.5, (1.0, [Started()]), (0.1, [END]))
    assert follow(cell, parse()).duration_s == pytest.approx(1.6)


@pytest.mark.parametrize("forged_s", [0.0, 1e6])
def test_a_forged_duration_moves_within_what_the_worker_saw(
    parse: Parse, clock: Clock, forged_s: float
) -> None:
    cell = TimedCell(clock, 0.5, (0.1, [Started()]), (2.0, [Ended(0, Usage(), forged_s)]))
    assert 2.0 <= round(follow(cell, parse()).duration_s, 6) <= 2.6


def test_output_that_comes_in_place_of_the_news_of_the_start_keeps_its_order(parse: Parse) -> None:
    said: list[Event] = [Output(STDOUT, b"a"), Output(STDOUT, b"b"), END]
    watch = Watch(ToldCell(said), parse(), bound_s=5, observer=Observer())
    watch.until_started()
    assert watch.until_ended().report == END
    assert watch.captures[STDOUT].text() == "ab"


def test_a_job_that_is_stopped_for_another_reason_has_not_spent_its_processor_time(parse: Parse) -> None:
    cell = ToldCell([Started()], [], [END])
    cell.used_ns = [10**12]
    watch = Watch(cell, parse(cpu_time=1), bound_s=5, observer=Observer())
    watch.until_started()
    watch._cpu._due, cell.starving = 0.0, True
    ending = watch.until_ended()
    assert (ending.stopped, ending.cpu_spent) == (Status.OUT_OF_MEMORY, False)
