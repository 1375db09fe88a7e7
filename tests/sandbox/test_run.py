"""A job of one stage or of two, from its request to its result."""

from __future__ import annotations

import io
import json
import tarfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import InvalidJob, Observer, Status
from sandbox.cell import CellInfo, JobTags
from sandbox.cell_run import CellRun
from sandbox.events import STDERR, STDOUT, Archived, Closed, Ended, Event, Output, Started, Usage
from sandbox.result import Stage
from sandbox.run import Run, _timings
from tests.clock import Clock
from tests.sandbox.told import ToldCell, ToldEngine
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Job, Result
    from tests.sandbox.conftest import Parse

C = {"main.c": "int main;"}


def archive(**files: bytes) -> Archived:
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return Archived(buffer.getvalue())


def ends(*events: Event, code: int = 0, **usage: int) -> ToldCell:
    """A cell whose job gives these events and then ends."""
    before = [event for event in events if isinstance(event, Output)]
    behind = [event for event in events if isinstance(event, Archived)]
    return ToldCell([Started()], [*before, Ended(code, Usage(**usage)), *behind])


def run(
    job: Job,
    *cells: ToldCell,
    artifact_bytes: int = 1 << 20,
    observer: Observer | None = None,
    **about: Any,
) -> tuple[Result, ToldEngine]:
    engine = ToldEngine(*cells)
    one = Run(CellRun(engine.acquire, 1), artifact_bytes, "none")
    return one(job, JobTags(**about), observer or Observer()), engine


def test_a_job_of_one_stage_is_told_whole(parse: Parse) -> None:
    cell = ends(
        Output(STDOUT, b"out"), Output(STDERR, b"error"), code=3, cpu_ns=1_500_000_000, peak_bytes=4096
    )
    about: dict[str, Any] = {"task_id": "t", "worker": "w", "attempt": 2, "queued_s": 0.25}
    result, engine = run(parse("true", "bash"), cell, **about)
    assert (result.status, result.exit_code, result.stage, result.runtime) == (
        Status.FAILED,
        3,
        Stage.RUN,
        "bash",
    )
    assert (result.stdout, result.stdout_bytes, result.stderr, result.stderr_bytes) == ("out", 3, "error", 5)
    assert (result.stdout_truncated, result.stderr_truncated) == (False, False)
    assert (result.cpu_seconds, result.memory_peak, result.compile_seconds) == (1.5, 4096, None)
    assert (result.worker, result.attempt, result.timings.queued, result.engine) == ("w", 2, 0.25, "none")
    assert engine.tags == [JobTags("t", "w", 2, 0.25)]


def test_usage_that_nobody_could_read_is_null(parse: Parse) -> None:
    result, _ = run(parse(), ends())
    assert (result.cpu_seconds, result.memory_peak) == (None, None)


def test_no_processor_time_is_none_and_not_null(parse: Parse) -> None:
    result, _ = run(parse(), ends(cpu_ns=0, peak_bytes=0))
    assert (result.cpu_seconds, result.memory_peak) == (0.0, 0)


@pytest.mark.parametrize("stream", [STDOUT, STDERR])
def test_a_stream_takes_at_most_twice_its_limit_as_json(parse: Parse, stream: int) -> None:
    result, _ = run(parse(output_limit=100), ends(Output(stream, b"\1" * 100)))
    text = result.stdout if stream == STDOUT else result.stderr
    assert 190 < len(json.dumps(text)) - 2 <= 200
    assert (result.stdout_truncated, result.stderr_truncated) == (stream == STDOUT, stream == STDERR)


def test_artifacts_come_as_base64_with_their_size_and_the_rest_with_a_reason(parse: Parse) -> None:
    cell = ends(archive(a=b"abc", b=b"x" * 11))
    result, _ = run(parse(artifacts=["*"]), cell, artifact_bytes=10)
    assert {path: (one.size, one.base64) for path, one in result.artifacts.items()} == {"a": (3, "YWJj")}
    assert [(one.path, one.reason) for one in result.artifacts_skipped] == [("b", "larger than 10 B")]


def test_a_job_brings_back_256_files_at_most(parse: Parse) -> None:
    result, _ = run(parse(artifacts=["*"]), ends(archive(**{f"f{number}": b"" for number in range(257)})))
    assert (len(result.artifacts), [one.reason for one in result.artifacts_skipped]) == (
        256,
        ["more than 256 files"],
    )


def handed_on(job: Job) -> bytes:
    return b"".join(job.workspace.pieces()) if job.workspace else b""


def test_what_a_compiler_leaves_goes_into_the_cell_of_the_run(parse: Parse) -> None:
    left = archive(program=b"binary")
    compiler = ends(left)
    result, engine = run(parse(None, files=C), compiler, ends(Output(STDOUT, b"ran"), code=7))
    assert (result.stage, result.status, result.exit_code, result.stdout) == (
        Stage.RUN,
        Status.FAILED,
        7,
        "ran",
    )
    assert [(job.argv[0], dict(job.files), handed_on(job)) for job in engine.jobs] == [
        ("gcc", {"main.c": b"int main;"}, b""),
        ("./program", {}, left.data),
    ]
    assert (engine.left, len(engine.tags)) == (2, 2)


def test_the_warnings_of_a_good_compilation_are_in_the_result_and_bounded(parse: Parse) -> None:
    compiler = ends(Output(STDOUT, b"note\n"), Output(STDERR, b"warning\n"), archive(program=b""))
    result, _ = run(parse(None, files=C), compiler, ends())
    assert (result.compile_output, result.stderr) == ("note\nwarning\n", "")
    wordy = ends(Output(STDERR, b"\1" * 200_000), archive(program=b""))
    assert len(json.dumps(run(parse(None, files=C), wordy, ends())[0].compile_output)) <= (64 << 10) + 2


def test_a_compiler_that_fails_ends_the_job_with_its_words(parse: Parse) -> None:
    compiler = ends(Output(STDERR, b"no"), archive(main=b"x"), code=1)
    result, engine = run(parse(None, files=C, artifacts=["*"]), compiler)
    assert (result.stage, result.status, result.exit_code, result.stderr) == (
        Stage.COMPILE,
        Status.FAILED,
        1,
        "no",
    )
    assert (result.artifacts, result.artifacts_skipped, len(engine.jobs)) == ({}, [], 1)
    assert result.compile_seconds == result.duration


def test_a_compiler_may_leave_any_number_of_files_up_to_its_own_disk(parse: Parse) -> None:
    left = archive(**{f"f{number}": b"" for number in range(4097)})
    _, engine = run(parse(None, files=C), ends(left), ends(), artifact_bytes=1)
    assert handed_on(engine.jobs[1]) == left.data


def test_what_a_compiler_left_is_never_handed_on_in_part(parse: Parse) -> None:
    cut = Archived(archive(program=bytes(4096)).data[:1024])
    with pytest.raises(InvalidJob, match="What the compiler left, 1 KiB or more, is too much"):
        run(parse(None, files=C), ends(cut), ends())


@pytest.mark.parametrize(("size", "fits"), [(64 << 10, True), ((64 << 10) + 1, False)])
def test_what_a_compiler_left_must_fit_onto_the_disk_of_the_run(parse: Parse, size: int, fits: bool) -> None:
    job, cells = parse(None, files=C, disk="64k"), (ends(archive(program=bytes(size))), ends())
    if fits:
        assert run(job, *cells)[0].status is Status.SUCCEEDED
        return
    with pytest.raises(
        InvalidJob, match=r"left takes 64 KiB, more than the job's disk=64 KiB; ask for more disk"
    ):
        run(job, *cells)


def test_who_looks_on_sees_both_cells(parse: Parse) -> None:
    places: list[CellInfo] = []

    class Notes(Observer):
        def placed(self, info: CellInfo) -> None:
            places.append(info)

    run(parse(None, files=C), ends(archive(program=b"")), ends(), observer=Notes())
    assert places == [CellInfo("none")] * 2


class SlowCell(ToldCell):
    """A cell whose polls each take one second."""

    def __init__(self, clock: Clock, *polls: list[Event]) -> None:
        super().__init__(*polls)
        self._clock = clock

    def poll(self, timeout_s: float) -> list[Event]:
        self._clock.now_s += 1
        return super().poll(timeout_s)


def test_the_times_of_both_stages_are_added(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(time.monotonic())
    monkeypatch.setattr("sandbox.watch.time", clock)
    monkeypatch.setattr("sandbox.deadline.time", clock)
    monkeypatch.setattr("sandbox.cell_run.time", clock)
    compiler = SlowCell(clock, [Started()], [Ended(0, Usage())], [archive(program=b"")], [Closed()])
    program = SlowCell(clock, [Started()], [], [Ended(0, Usage())])
    result, _ = run(parse(None, files=C), compiler, program, queued_s=0.5)
    timings = result.timings
    assert (timings.run, result.compile_seconds, result.duration) == pytest.approx((5, 2, 3), abs=0.5)
    assert timings.total == pytest.approx(0.5 + timings.acquire + timings.run + timings.collect)


def test_times_are_told_to_a_millionth_of_a_second() -> None:
    laps = {"acquire": 0.00000149, "run": 1.0000005, "collect": 0.1}
    timings = _timings(0.3333333333, laps)
    assert (timings.queued, timings.acquire, timings.collect, timings.total) == (
        0.333333,
        1e-6,
        0.1,
        1.433334 + timings.run - 1,
    )


@pytest.mark.parametrize(("slow", "ahead"), [(True, 1), (False, 3)])
def test_cells_of_runs_are_made_while_the_program_is_compiled(parse: Parse, slow: bool, ahead: int) -> None:
    class Compiling(ToldCell):
        """Its compiler ends once so many other cells are made."""

        def poll(self, timeout_s: float) -> list[Event]:
            if not self.polls_left:
                wait_until(lambda: len(engine.jobs) == 1 + ahead, 5, "the cells are made")
                return [Ended(1, Usage())]
            return super().poll(timeout_s)

    compiling = Compiling([Started()])
    engine = ByRuns(compiling, *(ends() for _ in range(3)))
    run = Run(CellRun(engine.acquire, 1), 1 << 20, "none", cells_are_slow=slow)
    result = run(parse(None, files=C, runs=[{}] * 3, cpus=1), JobTags(), Observer())

    assert result.stage == Stage.COMPILE
    assert engine.left == 1 + ahead


class ByRuns(ToldEngine):
    """An engine whose first cell is for the compiler, whoever asks first."""

    def __init__(self, compiling: ToldCell, *cells: ToldCell) -> None:
        super().__init__(*cells)
        self._compiling = compiling

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[ToldCell]:
        if not job.compiles:
            with super().acquire(job, tags) as cell:
                yield cell
            return
        self.jobs.append(job)
        yield self._compiling
        self.left += 1
