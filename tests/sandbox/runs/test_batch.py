"""Runs of one job, in cells whose events the test tells: what is stopped, left out, and taken over."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import EngineFailed, Observer, Status
from sandbox.cell import JobTags
from sandbox.cell_run import CellRun
from sandbox.events import STDOUT, Ended, Event, Output, Started, Usage
from sandbox.result import Limit, RunResult, RunVerdict
from sandbox.runs.ahead import CellsAhead
from sandbox.runs.batch import Batch
from sandbox.runs.summary import summary
from tests.clock import Clock
from tests.sandbox.told import ToldCell, ToldEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox import Job
    from tests.sandbox.conftest import Parse


class TimeIsUp(Exception):
    """As a soft limit raises it, in the thread that waits."""


class Notes(Observer):
    """Notes what it is told, and knows some runs already."""

    def __init__(self, known: Mapping[int, RunResult] | None = None, *, stop: bool = False) -> None:
        self._known = known or {}
        self._stop = stop
        self.ended: dict[int, Status] = {}
        self.output: list[tuple[bytes, int | None]] = []

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        self.output.append((data, run))

    def run_ended(self, run: int, result: RunResult) -> None:
        self.ended[run] = result.status

    def ended_runs(self) -> Mapping[int, RunResult]:
        return self._known

    def wants_stop(self) -> bool:
        return self._stop


def says(text: bytes, code: int = 0) -> ToldCell:
    return ToldCell([Started()], [Output(STDOUT, text), Ended(code, Usage())])


class Endless(ToldCell):
    """A cell whose job runs until it is killed."""

    def __init__(self) -> None:
        super().__init__([Started()])
        self._killed = threading.Event()

    def poll(self, timeout_s: float) -> list[Event]:
        if self.polls_left:
            return super().poll(timeout_s)
        return [Ended(137, Usage(), by_signal=True)] if self._killed.wait(0.01) else []

    def kill(self) -> None:
        self._killed.set()


def batch_of(
    parse: Parse, *cells: ToldCell, observer: Observer | None = None, **request: Any
) -> tuple[Batch, ToldEngine]:
    """A job that expects "right" of as many runs as there are cells, one at a time."""
    request = {"runs": [{"expected": "right"}] * len(cells), "cpus": 1} | request
    job, engine = parse("true", **request), ToldEngine(*cells)
    assert job.runs
    cell_run = CellRun(engine.acquire, 0.1, (TimeIsUp,))
    none_ahead = CellsAhead(engine.acquire, job, JobTags(), 0)
    return Batch(cell_run, job, job.runs, JobTags(), observer or Observer(), none_ahead), engine


def test_each_run_is_judged_by_itself(parse: Parse) -> None:
    batch, _ = batch_of(parse, says(b"right"), says(b"wrong"), says(b"right", code=3))

    assert [(one.status, one.verdict) for one in batch()] == [
        (Status.SUCCEEDED, RunVerdict.ACCEPTED),
        (Status.SUCCEEDED, RunVerdict.WRONG_ANSWER),
        (Status.FAILED, None),
    ]


def test_output_that_is_cut_is_no_right_answer(parse: Parse) -> None:
    batch, _ = batch_of(parse, says(b"right" + b" " * 100), output_limit=5)

    assert batch()[0].verdict is RunVerdict.WRONG_ANSWER


def test_without_an_expectation_there_is_no_verdict(parse: Parse) -> None:
    batch, _ = batch_of(parse, says(b"anything"), runs=[{}])

    assert batch()[0].verdict is None


@pytest.mark.parametrize("bad", [says(b"wrong"), says(b"right", code=1)], ids=["wrong", "failed"])
def test_nothing_is_run_behind_the_first_failure_if_the_job_wants_that(parse: Parse, bad: ToldCell) -> None:
    batch, engine = batch_of(parse, says(b"right"), bad, says(b"right"), says(b"right"), stop_on_failure=True)

    assert len(batch()) == 2
    assert engine.left == 2


def test_a_failure_stops_nothing_otherwise(parse: Parse) -> None:
    batch, engine = batch_of(parse, says(b"wrong"), says(b"right"))

    assert len(batch()) == engine.left == 2


def test_runs_that_an_earlier_attempt_has_ended_are_taken_over(parse: Parse) -> None:
    known = {1: RunResult(name="2", status=Status.FAILED, exit_code=9)}
    batch, engine = batch_of(parse, says(b"right"), says(b"right"), says(b"right"), observer=Notes(known))

    assert [one.exit_code for one in batch()] == [0, 9, 0]
    assert engine.left == 2


def test_the_observer_hears_which_run_writes_and_ends(parse: Parse) -> None:
    notes = Notes()
    batch_of(parse, says(b"a"), says(b"b"), observer=notes)[0]()

    assert notes.output == [(b"a", 0), (b"b", 1)]
    assert notes.ended == {0: Status.SUCCEEDED, 1: Status.SUCCEEDED}


def test_a_cancel_stops_the_run_that_goes_on_and_those_behind_it(parse: Parse) -> None:
    notes = Notes(stop=True)
    batch, engine = batch_of(parse, Endless(), says(b"right"), observer=notes)

    assert [one.status for one in batch()] == [Status.CANCELLED] * 2
    assert (engine.left, notes.ended) == (1, {})


def test_the_time_of_all_runs_together_is_bounded(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()

    class Late(Endless):
        def start(self, job: Job) -> None:
            clock.sleep(1000)

    monkeypatch.setattr("sandbox.runs.batch.time", clock)
    batch, engine = batch_of(parse, says(b"right"), Late(), says(b"right"))

    assert [(one.status, one.limit) for one in batch()] == [
        (Status.SUCCEEDED, None),
        *[(Status.TIMED_OUT, Limit.TIMEOUT)] * 2,
    ]
    assert engine.left == 2


def test_a_soft_limit_ends_the_job_with_what_is_known(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    class Struck(Notes):
        def wants_stop(self) -> bool:
            if self.ended and threading.current_thread() is threading.main_thread():
                raise TimeIsUp
            return False

    batch, _ = batch_of(parse, says(b"right"), Endless(), says(b"right"), observer=Struck())

    assert [one.status for one in batch()] == [Status.SUCCEEDED, Status.TIMED_OUT, Status.TIMED_OUT]


def test_an_engine_that_fails_one_run_fails_the_attempt_and_stops_the_others(parse: Parse) -> None:
    endless = Endless()
    batch, engine = batch_of(parse, endless, ToldCell([]), cpus=2)
    engine_left_before = engine.left

    with pytest.raises(EngineFailed):
        batch()
    assert engine.left == engine_left_before + 2


def test_a_run_that_was_not_accepted_shows_in_the_job(parse: Parse) -> None:
    right = RunResult(name="1", status=Status.SUCCEEDED, verdict=RunVerdict.ACCEPTED, cpu_seconds=0.1)
    wrong = RunResult(name="2", status=Status.SUCCEEDED, verdict=RunVerdict.WRONG_ANSWER)
    late = RunResult(name="3", status=Status.TIMED_OUT, exit_code=143, limit=Limit.CPU_TIME, memory_peak=5)

    assert summary([right, right])["verdict"] is RunVerdict.ACCEPTED
    told = summary([right, wrong, late])
    assert (told["status"], told["exit_code"], told["limit"]) == (Status.TIMED_OUT, 143, Limit.CPU_TIME)
    assert (told["verdict"], told["cpu_seconds"], told["memory_peak"]) == (RunVerdict.WRONG_ANSWER, 0.1, 5)
    assert summary([right, late])["verdict"] is None


def test_a_run_that_expects_nothing_is_not_accepted(parse: Parse) -> None:
    right = RunResult(name="1", status=Status.SUCCEEDED, verdict=RunVerdict.ACCEPTED)
    bare = RunResult(name="2", status=Status.SUCCEEDED)

    assert summary([right, bare, right])["verdict"] is None


def test_a_job_has_used_the_sum_of_its_runs_and_their_largest_peak(parse: Parse) -> None:
    one = RunResult(name="1", status=Status.SUCCEEDED, duration=0.5, cpu_seconds=0.1, memory_peak=5)
    told = summary([one, replace(one, duration=0.25, cpu_seconds=0.2, memory_peak=9), one])

    assert (told["duration"], told["cpu_seconds"], told["memory_peak"]) == (1.25, 0.4, 9)
