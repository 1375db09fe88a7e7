"""The steps by which a job is stopped: the orders that its cell gets, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox import EngineFailed, InvalidJob, Observer, Status
from sandbox.cell import Evidence
from sandbox.events import STDERR, STDOUT, Archived, Closed, Ended, Event, Fault, Output, Started, Usage
from sandbox.verdict import judge
from sandbox.watch import Ending, Watch
from tests.clock import Clock
from tests.sandbox.told import TimedCell, ToldCell

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Parse

END = Ended(0, Usage())
FIRST = Archived(b"first ")
BOUND_S = 15


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(0.0)
    monkeypatch.setattr("sandbox.watch.time", clock)
    monkeypatch.setattr("sandbox.deadline.time", clock)
    return clock


class PatientCell(TimedCell):
    """A cell whose polls take as long as allowed. It records the orders that it gets, with their times."""

    def __init__(self, clock: Clock, *polls: tuple[float, list[Event]], late: tuple[Event, ...] = ()) -> None:
        super().__init__(clock, 0.0, *polls)
        self.told: list[tuple[str, float]] = []
        self._late = late

    def poll(self, timeout_s: float) -> list[Event]:
        if self._polls:
            return super().poll(timeout_s)
        self._clock.now_s += max(0.0, timeout_s)
        return list(self._late)

    def terminate(self) -> None:
        self._note("terminate")

    def kill(self) -> None:
        self._note("kill")

    def destroy(self) -> None:
        self._note("destroy")

    def _note(self, what: str) -> None:
        self.told.append((what, round(self._clock.now_s, 6)))


class SilentCell(PatientCell):
    """A cell that reports nothing before it gets an order."""

    def poll(self, timeout_s: float) -> list[Event]:
        was_told = bool(self.told)
        events = super().poll(timeout_s)
        return events if was_told else []


def watched(cell: ToldCell, job: Job, observer: Observer | None = None) -> Watch:
    watch = Watch(cell, job, bound_s=BOUND_S, observer=observer or Observer())
    watch.until_started()
    return watch


def test_a_job_that_nothing_ends_climbs_every_rung(parse: Parse, clock: Clock) -> None:
    cell = PatientCell(clock, (1.0, [Started()]))
    watch = watched(cell, parse(timeout=10, grace=2))
    with pytest.raises(EngineFailed, match="killed the cell but never closed its streams"):
        watch.until_ended()
    assert cell.told == [("terminate", 11), ("kill", 13), ("destroy", 13.5)]
    assert clock.now_s == 13.5 + BOUND_S


@pytest.mark.parametrize(("wait_s", "told"), [(9.9, []), (10, ["terminate"]), (12, ["terminate"])])
def test_a_job_that_ends_is_told_no_more(parse: Parse, clock: Clock, wait_s: float, told: list[str]) -> None:
    cell = PatientCell(clock, (0, [Started()]), (wait_s, []), (0.1, [END]))
    ending = watched(cell, parse(timeout=10, grace=20)).until_ended()
    assert ([what for what, _ in cell.told], ending.report) == (told, END)
    assert ending.stopped is (Status.TIMED_OUT if told else None)


def test_a_job_with_no_grace_is_killed_at_once(parse: Parse, clock: Clock) -> None:
    cell = PatientCell(clock, (0, [Started()]), (10, []), (0, []), (0, [END]))
    watched(cell, parse(timeout=10, grace=0)).until_ended()
    assert cell.told == [("terminate", 10), ("kill", 10)]


class Stopper(Observer):
    """An observer that may stop the job at once. It records the output, and how often it was asked."""

    def __init__(self, *, stops: bool) -> None:
        self.stops = stops
        self.asked = 0
        self.heard_of: list[tuple[int, bytes]] = []

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        self.heard_of.append((stream, data))

    def wants_stop(self) -> bool:
        self.asked += 1
        return self.stops


def test_a_job_that_is_cancelled_is_killed_once_and_asked_about_no_more(parse: Parse, clock: Clock) -> None:
    cell = PatientCell(clock, (0, [Started()]), (0.1, []), (0.1, []), (0.1, [END]))
    stopper = Stopper(stops=True)
    assert watched(cell, parse(), stopper).until_ended().stopped is Status.CANCELLED
    assert (cell.told, stopper.asked) == ([("kill", 0.1)], 1)


def test_a_cancelled_job_that_lives_on_is_destroyed_and_stays_cancelled(parse: Parse, clock: Clock) -> None:
    cell = PatientCell(clock, (0, [Started()]), (0.1, []), (0.5, []), (0, [Closed()]))
    ending = watched(cell, parse(), Stopper(stops=True)).until_ended()
    assert (cell.told, ending.stopped) == ([("kill", 0.1), ("destroy", 0.6)], Status.CANCELLED)


def test_the_first_reason_to_stop_is_the_one_that_counts(parse: Parse, clock: Clock) -> None:
    cell = PatientCell(clock, (0, [Started()]))
    watch = watched(cell, parse())
    watch.deadline.stop(Status.OUTPUT_LIMIT)
    watch.deadline.stop(Status.CANCELLED)
    assert (watch.unconfirmed().stopped, watch.is_stopped) == (Status.OUTPUT_LIMIT, True)
    assert len(cell.told) == 1


def test_a_job_that_was_told_to_end_and_then_floods_has_timed_out(parse: Parse, clock: Clock) -> None:
    flood: list[Event] = [Output(STDOUT, b"x" * 6401)]
    cell = PatientCell(clock, (0, [Started()]), (10, []), (0.5, flood), (0, [END]))
    ending = watched(cell, parse(timeout=10, grace=5, output_limit=100)).until_ended()
    assert (ending.stopped, cell.told) == (Status.TIMED_OUT, [("terminate", 10), ("kill", 10.5)])


@pytest.mark.parametrize("stream", [STDOUT, STDERR])
@pytest.mark.parametrize(("size", "stopped"), [(6400, None), (6401, Status.OUTPUT_LIMIT)])
def test_a_stream_may_carry_64_times_what_is_kept_and_not_a_byte_more(
    parse: Parse, stream: int, size: int, stopped: Status | None
) -> None:
    cell = ToldCell([Started()], [Output(stream, b"x" * size)], [END])
    assert watched(cell, parse(output_limit=100)).until_ended().stopped is stopped
    assert cell.kills == (stopped is not None)


def test_what_comes_with_the_news_of_the_start_is_heard_in_its_order(parse: Parse) -> None:
    early: list[Event] = [Output(STDERR, b"a"), Started(), Output(STDOUT, b"b"), END]
    observer = Stopper(stops=False)
    watch = watched(ToldCell(early), parse(), observer)
    assert watch.until_ended().report == END
    assert observer.heard_of == [(STDERR, b"a"), (STDOUT, b"b")]
    assert [watch.captures[stream].text() for stream in (STDOUT, STDERR)] == ["b", "a"]


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        (Fault("unpack"), InvalidJob, "could not be unpacked in the cell; ask for more disk"),
        (Closed(), EngineFailed, "closed before it started its job"),
    ],
    ids=["no room", "closed"],
)
def test_a_cell_that_cannot_start_its_job_says_why(
    parse: Parse, event: Event, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        watched(ToldCell([event]), parse())


@pytest.mark.parametrize("event", [Fault("unpack"), Closed()], ids=["no room", "closed"])
def test_a_job_whose_files_fill_its_memory_is_out_of_memory_before_it_starts(
    parse: Parse, event: Event
) -> None:
    cell = ToldCell([event])
    cell.evidence = Evidence(exit_code=0, out_of_memory=True)
    job = parse()
    end = Watch(cell, job, BOUND_S, Observer()).until_started()
    assert end
    assert (judge(end, job).status, judge(end, job).exit_code) == (Status.OUT_OF_MEMORY, 137)


def test_a_cell_has_so_long_to_start_its_job_and_no_longer(parse: Parse, clock: Clock) -> None:
    with pytest.raises(EngineFailed, match="did not start its job within 15 s"):
        watched(PatientCell(clock), parse())
    assert clock.now_s == BOUND_S


@pytest.mark.parametrize(
    "first", [Output(STDOUT, b"hi"), FIRST, END], ids=["output", "an archive", "its end"]
)
def test_a_job_that_takes_away_the_news_of_its_start_has_the_time_that_it_has(
    parse: Parse, clock: Clock, first: Event
) -> None:
    """The time counts from the moment the cell got the job, because the real start is unknown."""
    cell = PatientCell(clock, (3, [first]))
    watch = watched(cell, parse(timeout=5))
    assert watch.deadline._next_step == 5


def test_a_job_that_takes_away_the_news_of_its_start_and_is_silent_has_timed_out(
    parse: Parse, clock: Clock
) -> None:
    watch = watched(SilentCell(clock, late=(END,)), parse())
    assert watch.until_ended() == Ending(Status.TIMED_OUT, END, None, BOUND_S)


def test_a_job_that_starts_once_it_was_given_up_is_none(parse: Parse, clock: Clock) -> None:
    with pytest.raises(EngineFailed, match="did not start its job within 15 s"):
        watched(SilentCell(clock, late=(Started(), END)), parse())


def cut(
    parse: Parse, clock: Clock, *polls: tuple[float, list[Event]], late: tuple[Event, ...] = ()
) -> tuple[Any, PatientCell, Watch]:
    cell = PatientCell(clock, (0, [Started()]), *polls, late=late)
    watch = watched(cell, parse())
    return watch.cut_short(), cell, watch


def test_a_job_that_is_cut_short_is_killed_and_its_last_words_are_heard(parse: Parse, clock: Clock) -> None:
    ending, cell, watch = cut(parse, clock, (0.1, [Output(STDOUT, b"bye")]), (0.1, [END]))
    assert (ending.stopped, ending.report, cell.told) == (Status.TIMED_OUT, END, [("kill", 0)])
    assert watch.captures[STDOUT].text() == "bye"


def test_a_cell_that_closes_when_it_is_cut_short_is_not_asked_about(parse: Parse, clock: Clock) -> None:
    ending, _, _ = cut(parse, clock, (0.1, [Closed()]))
    assert (ending.stopped, ending.report, ending.evidence) == (Status.TIMED_OUT, None, None)


def test_nobody_waits_for_a_cell_that_is_cut_short_and_says_nothing(parse: Parse, clock: Clock) -> None:
    ending, _, _ = cut(parse, clock)
    assert (ending.stopped, ending.report, ending.duration_s) == (Status.TIMED_OUT, None, BOUND_S / 30)


def test_a_stream_of_archive_has_so_long_and_no_longer(parse: Parse, clock: Clock) -> None:
    cell = PatientCell(
        clock, (0, [Started()]), (0, [END]), (1, [Archived(b"a")]), (1, []), (1, [Archived(b"b")])
    )
    watch = watched(cell, parse(artifacts=["*"]))
    watch.until_ended()
    ended_s = clock.now_s
    assert (b"".join(watch.archive()), watch.is_closed) == (b"ab", False)
    assert clock.now_s - ended_s == BOUND_S


def test_a_cell_that_closes_has_no_more_archive(parse: Parse) -> None:
    watch = watched(ToldCell([Started()], [END, Archived(b"a"), Closed(), Archived(b"b")]), parse())
    watch.until_ended()
    assert (list(watch.archive()), watch.is_closed) == ([b"a"], True)


@pytest.mark.parametrize("early", [True, False], ids=["before the end", "after it"])
def test_of_an_archive_twice_the_disk_is_heard(parse: Parse, early: bool) -> None:
    half = Archived(b"x" * (64 << 10))
    polls: list[list[Event]] = [[half], [END]] if early else [[END], [half]]
    watch = watched(ToldCell([Started()], *polls, [half], [half], [half]), parse(disk="64k"))
    watch.until_ended()
    assert sum(map(len, watch.archive())) == 2 * (64 << 10)
