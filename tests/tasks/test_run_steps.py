"""The task itself, in this process and on a real Redis: its use of the lease, and its results."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Ignore, Retry

from sandbox import CellLost, CommandFailed, EngineUnreachable, InvalidJob, Sandbox, meter
from sandbox.outage import Outage
from tasks import run as under_test
from tasks import run_sandboxed
from tasks.attempt import Attempt
from tasks.engine_gate import EngineAway
from tasks.headers import LIVE
from tasks.lease import Lease, ask_to_cancel
from tasks.live.entry import END, START, STDOUT, read_piece
from tasks.observe.log_context import end_log_context, job_facts
from tasks.pool import resting_limits as of_limits
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.process import ProcessState

JOB = "the-job"
LEASE, RESULT = f"cellblock.lease:{JOB}", f"celery-task-meta-{JOB}"


@pytest.fixture
def run(results: Any, process: ProcessState, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that runs the task on this host, as a process of a worker does."""
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    this_settings.cache_clear()

    def call(*args: object, headers: dict[str, Any] | None = None, **kwargs: object) -> Any:
        context = {"id": JOB, "hostname": "w@h", "retries": 0, "called_directly": False} | (headers or {})
        run_sandboxed.push_request(**context)
        try:
            return run_sandboxed.run(*args, **kwargs)
        finally:
            run_sandboxed.pop_request()
            process.end_attempt(JOB, done=False)
            end_log_context()

    yield call
    process.close_sandbox()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The list of errors that the next cells raise, one each. After them a cell runs the job."""
    errors: list[BaseException] = []
    real = Sandbox.run_job

    def run_job(self: Sandbox, *args: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop(0)
        return real(self, *args, **options)

    monkeypatch.setattr(Sandbox, "run_job", run_job)
    return errors


def test_a_result_says_who_ran_it_and_how_often_it_was_tried(run: Any) -> None:
    result = run("echo hi", "bash", headers={"retries": 2, "cellblock_sent_at": time.time() - 50})
    about = {name: result[name] for name in ("stdout", "worker", "attempt", "engine", "runtime")}
    assert about == {"stdout": "hi\n", "worker": "w@h", "attempt": 3, "engine": "host", "runtime": "bash"}
    assert 50 <= result["timings"]["queued"] < 60


def test_the_log_knows_the_runtime_while_the_job_runs(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    real = under_test._take

    def take(*args: Any) -> Any:
        seen.append(dict(job_facts()))
        return real(*args)

    monkeypatch.setattr(under_test, "_take", take)
    run("true", "bash")
    assert seen == [{"runtime": "bash"}]


def test_a_job_that_was_cancelled_before_does_not_run_and_says_so(run: Any, results: Any) -> None:
    ask_to_cancel(results.brisk_client, JOB)
    result = run("echo ran", "bash", headers={"retries": 1, "cellblock_sent_at": time.time() - 50})
    about = {name: result[name] for name in ("status", "stdout", "attempt", "worker", "engine", "runtime")}
    assert about == {
        "status": "cancelled",
        "stdout": "",
        "attempt": 2,
        "worker": "w@h",
        "engine": "host",
        "runtime": "bash",
    }
    assert result["timings"]["queued"] >= 50


def test_a_job_whose_cell_was_lost_is_tried_again_after_a_while(
    run: Any, failing: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_MAX_ATTEMPTS", "7")
    this_settings.cache_clear()
    told: list[dict[str, Any]] = []

    def retry(**options: Any) -> Retry:
        told.append(options)
        return Retry()

    monkeypatch.setattr(run_sandboxed, "retry", retry)
    failing.append(error := CellLost("It is gone."))
    with pytest.raises(Retry):
        run("true", "bash", headers={"retries": 2})
    ((countdown, most, cause),) = [(one["countdown"], one["max_retries"], one["exc"]) for one in told]
    assert (4 <= countdown <= 6, most, cause) == (True, 6, error)


def test_a_job_that_meets_no_engine_goes_back_with_what_was_seen_since_its_turn_began(
    run: Any, failing: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    counted: list[Any] = []
    monkeypatch.setattr(meter, "count_error", lambda *about: counted.append(about))
    real, begun = Attempt.begin, list[float]()

    def begin(attempt: Attempt) -> None:
        real(attempt)
        begun.append(time.monotonic())

    monkeypatch.setattr(Attempt, "begin", begin)

    def outage(_: Sandbox, error: Any, since: float) -> Outage:
        asked.append(since)
        return Outage(error)

    monkeypatch.setattr(Sandbox, "outage", outage)
    failing.append(error := EngineUnreachable("No engine."))
    with pytest.raises(EngineAway) as caught:
        run("true", "bash")
    assert (caught.value.args, counted) == ((Outage(error), True), [("job", error)])
    assert begun[0] <= asked[0] <= time.monotonic()


@pytest.mark.parametrize("error", [CellLost("It is gone."), InvalidJob("It is none.")])
def test_what_a_job_has_met_that_somebody_else_has_begun_is_nobodys_and_it_waits_its_turn(
    run: Any, results: Any, failing: list[BaseException], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    other = Lease(results.brisk_client, JOB, "other")
    real = Sandbox.run_job
    runs: list[str] = []

    def run_job(self: Sandbox, *args: Any, **options: Any) -> Any:
        runs.append("run")
        if len(runs) == 1:
            results.client.delete(LEASE)
            other.acquire()
            other.release(done=False)
            results.client.hset(LEASE, "holder", "other")
            results.client.pexpire(LEASE, 600)
            raise error
        return real(self, *args, **options)

    monkeypatch.setattr(Sandbox, "run_job", run_job)
    assert run("echo again", "bash")["stdout"] == "again\n"
    assert runs == ["run", "run"]


def test_a_result_of_a_lost_turn_is_not_given_and_the_job_runs_again(
    run: Any, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, runs = Sandbox.run_job, []

    def run_job(self: Sandbox, *args: Any, **options: Any) -> Any:
        result = real(self, *args, **options)
        runs.append(args[1].attempt)
        if len(runs) == 1:
            results.client.hset(LEASE, "holder", "other")
            results.client.pexpire(LEASE, 600)
        return result

    monkeypatch.setattr(Sandbox, "run_job", run_job)
    assert run("true", "bash")["attempt"] == 1
    assert runs == [1, 1]


def test_a_refused_job_that_has_its_result_by_now_is_ignored(
    run: Any, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_job(*_: Any, **__: Any) -> None:
        results.store_result(JOB, {}, "SUCCESS")
        raise InvalidJob("It is none.")

    monkeypatch.setattr(Sandbox, "run_job", run_job)
    with pytest.raises(Ignore):
        run("true", "bash")


def test_a_refused_job_fails_by_its_own_error(run: Any, failing: list[BaseException]) -> None:
    failing.append(InvalidJob("It is none."))
    with pytest.raises(InvalidJob, match="It is none"):
        run("true", "bash")


def pieces(results: Any) -> list[tuple[str, bytes]]:
    read = (read_piece(fields) for _, fields in results.client.xrange(f"cellblock.live:{JOB}"))
    return [(one.kind, one.data) for one in read if one]


def test_a_job_with_live_output_begins_with_its_attempt_and_ends_with_its_status(
    run: Any, results: Any
) -> None:
    run("echo hi; exit 3", "bash", headers={LIVE: True, "retries": 1})
    assert pieces(results) == [(START, b"2"), (STDOUT, b"hi\n"), (END, b"failed")]


def test_a_job_that_was_given_up_says_no_end(run: Any, results: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, attempts, told = under_test._run, list[Any](), list[list[str]]()

    def run_once(task: Any, sandbox: Any, attempt: Any, job: Any) -> Any:
        attempts.append(attempt)
        attempt.gave_up = len(attempts) == 1
        result = real(task, sandbox, attempt, job)
        told.append([kind for kind, _ in pieces(results)])
        return result

    monkeypatch.setattr(under_test, "_run", run_once)
    run("true", "bash", headers={LIVE: True})
    assert told == [[START], [START, END]]


def test_the_limits_of_a_job_are_its_own_and_rest_behind_its_cell(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, bool]] = []
    mine, real = of_limits.Limits(), of_limits.Limits.running
    monkeypatch.setattr(of_limits, "limits", mine)

    def running(self: Any, soft_s: float) -> Any:
        seen.append((soft_s, self._rest))
        return real(self, soft_s)

    monkeypatch.setattr(of_limits.Limits, "running", running)
    run("true", "bash", timeout=5, grace=2)
    assert (seen, mine._due) == ([(5 + 2 + this_settings().engine_margin, False)], math.inf)


@pytest.mark.parametrize(
    ("cmd", "limits", "says"),
    [
        ("exit 3", {}, "The command failed with exit code 3."),
        ("kill -9 $$", {}, "The command signaled with exit code 137."),
        ("sleep 9", {"timeout": 0.1, "grace": 0}, "The command timed out with exit code"),
    ],
)
def test_check_makes_of_an_end_that_is_no_success_a_failure_with_all_that_there_is(
    run: Any, cmd: str, limits: dict[str, Any], says: str
) -> None:
    with pytest.raises(CommandFailed) as caught:
        run(cmd, "bash", check=True, **limits)
    assert str(caught.value).startswith(says)
    assert caught.value.result["status"] != "succeeded"
    assert run("true", "bash", check=True)["status"] == "succeeded"


def test_an_end_with_no_code_names_none() -> None:
    from sandbox import Result, Status

    bare = Result.without_report(Status.CANCELLED, runtime="bash", engine="host", worker="w", attempt=1)
    with pytest.raises(CommandFailed, match=r"^The command cancelled\."):
        under_test._answer(bare, check=True)
    assert under_test._answer(bare, check=False)["status"] == "cancelled"
