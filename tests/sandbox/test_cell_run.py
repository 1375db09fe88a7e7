"""The run of one job in one cell: its outcome, also when the engine fails or the time is up."""

from __future__ import annotations

import io
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import CellLost, EngineFailed, Observer, Status
from sandbox.artifacts import ArtifactCaps
from sandbox.cell import CellInfo, Evidence, JobTags
from sandbox.cell_run import CellRun, Outcome
from sandbox.events import STDOUT, Archived, Closed, Ended, Event, Output, Started, Usage
from tests.sandbox.told import ToldCell, ToldEngine
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse

END = Ended(3, Usage(cpu_ns=1))
CAPS = ArtifactCaps(9, 999, 999)


class TimeIsUp(Exception):
    """The exception that interrupts a job whose time is up."""


class StruckCell(ToldCell):
    """A cell whose poll raises an exception that is listed among its events."""

    def poll(self, timeout_s: float) -> list[Event]:
        events: list[Any] = super().poll(timeout_s)
        if events and isinstance(events[0], Exception):
            raise events[0]
        return events


def spend(
    parse: Parse, *polls: list[Any], examined: int = 1, out_of_memory: bool = False, **request: Any
) -> tuple[Outcome, ToldEngine, ToldCell]:
    cell = StruckCell([Started()], *polls)
    cell.evidence = Evidence(exit_code=examined, out_of_memory=out_of_memory)
    engine = ToldEngine(cell)
    cell_run = CellRun(engine.acquire, 0.3, (TimeIsUp,))
    try:
        return cell_run(parse(**request), JobTags("task", "worker"), CAPS, Observer()), engine, cell
    finally:
        assert engine.left == 1, "the cell is left whatever happens"


def archive(name: str) -> Archived:
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w") as tar:
        tar.addfile(tarfile.TarInfo(f"./{name}"))
    return Archived(buffer.getvalue())


def test_a_job_is_followed_from_its_cell_to_its_files(parse: Parse) -> None:
    outcome, engine, _ = spend(parse, [Output(STDOUT, b"hi"), END, archive("a")], artifacts=["*"])
    assert (outcome.verdict.status, outcome.verdict.exit_code) == (Status.FAILED, 3)
    assert (outcome.captures[STDOUT].text(), outcome.collected.files) == ("hi", {"a": b""})
    assert (outcome.info, engine.tags) == (CellInfo("none"), [JobTags("task", "worker")])
    assert set(outcome.laps) == {"acquire", "run", "collect"}
    assert min(outcome.laps.values()) >= 0


def test_who_looks_on_learns_the_place_before_the_job_starts(parse: Parse) -> None:
    placed: list[CellInfo] = []

    class Notes(Observer):
        def placed(self, info: CellInfo) -> None:
            placed.append(info)

    class Unfit(ToldCell):
        def start(self, job: object) -> None:
            assert placed == [CellInfo("none")]

    CellRun(ToldEngine(Unfit([Started()], [END])).acquire, 1)(parse(), JobTags(), CAPS, Notes())
    assert placed


def test_of_a_job_that_asks_for_no_files_none_are_waited_for(parse: Parse) -> None:
    outcome, _, cell = spend(parse, [END], [TimeIsUp()])
    assert (outcome.collected.files, outcome.verdict.status, cell.polls_left) == ({}, Status.FAILED, 1)


def test_a_job_that_did_not_report_leaves_no_files(parse: Parse) -> None:
    outcome, _, cell = spend(parse, [Closed()], [TimeIsUp()], artifacts=["*"])
    assert (outcome.collected.files, outcome.collected.skipped, cell.polls_left) == ({}, [], 1)


def test_time_that_is_up_before_there_is_a_cell_is_the_engines_fault(parse: Parse) -> None:
    class Slow(ToldEngine):
        def acquire(self, job: object, tags: JobTags) -> Any:
            raise TimeIsUp

    with pytest.raises(EngineFailed, match="took longer to give a cell than the job has time"):
        CellRun(Slow().acquire, 1, (TimeIsUp,))(parse(), JobTags(), CAPS, Observer())


def test_time_that_is_up_while_the_job_runs_is_a_timeout_with_its_last_words(parse: Parse) -> None:
    outcome, _, cell = spend(parse, [TimeIsUp()], [Output(STDOUT, b"bye"), Ended(137, Usage())])
    assert (outcome.verdict.status, outcome.captures[STDOUT].text(), cell.kills) == (
        Status.TIMED_OUT,
        "bye",
        1,
    )


def test_time_that_is_up_while_the_files_come_is_a_timeout_with_the_output(parse: Parse) -> None:
    outcome, _, _ = spend(parse, [Output(STDOUT, b"hi"), END], [TimeIsUp()], artifacts=["*"])
    assert (outcome.verdict.status, outcome.verdict.exit_code) == (Status.TIMED_OUT, 3)
    assert (outcome.captures[STDOUT].text(), outcome.collected.files) == ("hi", {})


def test_an_engine_that_fails_before_the_job_was_told_to_end_fails_the_job(parse: Parse) -> None:
    with pytest.raises(EngineFailed, match="away"):
        spend(parse, [EngineFailed("away")])


def test_an_engine_that_fails_once_the_job_was_told_to_end_changes_nothing(
    parse: Parse, caplog: pytest.LogCaptureFixture
) -> None:
    flood = Output(STDOUT, b"x" * 65)
    outcome, _, _ = spend(parse, [flood], [EngineFailed("away")], output_limit=1)
    assert (outcome.verdict.status, outcome.verdict.exit_code) == (Status.OUTPUT_LIMIT, None)
    assert caplog.messages == ["A cell does not end and is left to the reaper: away"]


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "open"])
@pytest.mark.parametrize("examined", [137, 1])
def test_a_cell_that_was_killed_over_its_files_is_lost_and_one_that_ended_is_not(
    parse: Parse, closes: bool, examined: int
) -> None:
    polls: list[list[Any]] = [[END], [Archived(b"half a header")], [Closed()] if closes else [TimeIsUp()]]
    if closes and examined == 137:
        with pytest.raises(CellLost, match="killed from outside before it gave the job's files"):
            spend(parse, *polls, examined=examined, artifacts=["*"])
        return
    outcome, _, _ = spend(parse, *polls, examined=examined, artifacts=["*"])
    assert outcome.verdict.status is (Status.FAILED if closes else Status.TIMED_OUT)


def test_a_job_whose_files_leave_no_memory_to_archive_them_is_out_of_memory(parse: Parse) -> None:
    polls: list[list[Any]] = [[END], [Archived(b"half a header")], [Closed()]]
    outcome, _, _ = spend(parse, *polls, examined=137, out_of_memory=True, artifacts=["*"])
    assert (outcome.verdict.status, outcome.verdict.exit_code) == (Status.OUT_OF_MEMORY, 137)
    assert outcome.verdict.usage == END.usage


def test_a_cell_that_closes_after_a_whole_archive_is_not_looked_at(parse: Parse) -> None:
    # A header and the two end blocks, without padding. So the worker polls once more, and the cell closes.
    whole = Archived(archive("a").data[: 3 * 512])
    outcome, _, cell = spend(parse, [END, whole], [Closed()], examined=137, artifacts=["*"])
    assert (list(outcome.collected.files), cell.polls_left) == (["a"], 0)


class LateCell(ToldCell):
    """A cell whose `start` returns late, when the command may have run for a while already."""

    def start(self, job: object) -> None:
        until_s = time.monotonic() + 0.1
        wait_until(lambda: time.monotonic() > until_s, 5, "the news of the start is late")


def spent_late(parse: Parse, lasted_s: float) -> Outcome:
    """The outcome of a job whose start is reported a tenth of a second after the cell got the job."""
    cell = LateCell([Started()], [Ended(0, Usage(), lasted_s)])
    return CellRun(ToldEngine(cell).acquire, 1)(parse(), JobTags(), CAPS, Observer())


def test_a_start_of_which_the_news_is_late_is_the_commands_time(parse: Parse) -> None:
    outcome = spent_late(parse, lasted_s=10.0)
    assert outcome.duration_s >= 0.1
    assert outcome.laps["run"] >= outcome.duration_s - 1e-5


def test_a_start_that_is_late_itself_is_the_engines_time(parse: Parse) -> None:
    assert spent_late(parse, lasted_s=0.0).laps["acquire"] >= 0.08
