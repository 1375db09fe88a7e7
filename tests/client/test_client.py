"""What an app does by the client, on a real worker."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import signature

from cellblock import (
    BrokerUnreachable,
    Cellblock,
    CellblockError,
    CommandFailed,
    InvalidJob,
    Job,
    LiveEntry,
    QueueFull,
    Status,
    TaskFailed,
    run_sandboxed,
)
from cellblock.errors import error_of
from cellblock.shared.stored import Failure
from tests.programs import running_worker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from celery import Celery

    from tests.programs import Worker

HOST = {"ENABLE_DOCKER": "false"}
TURNS = "echo out; sleep 0.2; echo err >&2"


def test_a_command_that_fails_is_a_typed_result(cells: Cellblock) -> None:
    result = cells.run("echo out; exit 3", "bash")
    assert (result.status, result.exit_code, result.stdout) == (Status.FAILED, 3, "out\n")


def test_a_result_is_also_the_object_that_the_worker_stored(cells: Cellblock, worker: Worker) -> None:
    job = cells.submit("true")
    result = job.get(timeout=40)
    with redis.Redis.from_url(worker.broker_url) as store:
        stored = json.loads(store.get(f"celery-task-meta-{job.id}") or "")
    assert dict(result) == stored["result"]


def test_bytes_go_in_and_come_out(cells: Cellblock) -> None:
    content = bytes(range(256))
    options: dict[str, Any] = {"files": {"in": content}, "artifacts": ["out"]}
    result = cells.run("cat in - >out", "bash", stdin=b"\xff", **options)
    assert result.artifacts["out"].content == content + b"\xff"


def test_with_check_a_failure_is_an_error_with_its_result(cells: Cellblock) -> None:
    with pytest.raises(CommandFailed, match="failed with exit code 3") as caught:
        cells.run("exit 3", check=True)
    assert caught.value.result.exit_code == 3


def test_what_only_the_worker_can_refuse_is_refused_by_the_same_name(cells: Cellblock) -> None:
    with pytest.raises(InvalidJob, match="above the maximum of 2 GiB"):
        cells.run("true", memory="900g")


def test_output_is_followed_while_the_job_runs_and_it_can_be_cancelled(cells: Cellblock) -> None:
    job, seen = cells.submit("echo ready; exec sleep 60", live=True), []
    for entry in cells.follow(job.id):
        seen.append((entry.kind, entry.data))
        if entry.data == b"ready\n":
            cells.cancel(job.id)
    assert seen == [("start", b"1"), ("stdout", b"ready\n"), ("end", b"cancelled")]
    assert job.get(timeout=10).status is Status.CANCELLED


def test_a_follower_goes_on_behind_an_entry(cells: Cellblock) -> None:
    job = cells.submit(TURNS, live=True)
    first = next(entry for entry in job.follow() if entry.kind == "stdout")
    assert [entry.data for entry in job.follow(after=first.id)] == [b"err\n", b"succeeded"]


def lose_connection(broker_url: str) -> None:
    """End the connection of the one that waits for live output."""
    with redis.Redis.from_url(broker_url) as store:
        waits = wait_until(lambda: waiting(store), 10, "somebody waits for live output")
        store.client_kill_filter(_id=waits[0])


def waiting(store: Any) -> list[str]:
    return [one["id"] for one in store.client_list() if one["cmd"] == "xread" and "b" in one["flags"]]


def test_a_follower_goes_on_after_a_lost_connection(cells: Cellblock, worker: Worker) -> None:
    seen = []
    with ThreadPoolExecutor(1) as threads:
        for entry in cells.submit("echo out; sleep 1; echo later", live=True).follow():
            seen.append(entry.data)
            if entry.data == b"out\n":
                lost = threads.submit(lose_connection, worker.broker_url)
        lost.result()
    assert seen == [b"1", b"out\n", b"later\n", b"succeeded"]


def test_asyncio_goes_on_after_a_lost_connection_too(cells: Cellblock, worker: Worker) -> None:
    async def followed() -> list[bytes]:
        seen = []
        async for entry in cells.submit("echo out; sleep 1; echo later", live=True).follow_async():
            seen.append(entry.data)
            if entry.data == b"out\n":
                lost = asyncio.create_task(asyncio.to_thread(lose_connection, worker.broker_url))
        await lost
        return seen

    assert asyncio.run(followed()) == [b"1", b"out\n", b"later\n", b"succeeded"]


def test_one_client_serves_many_threads(cells: Cellblock) -> None:
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda number: cells.run(f"echo {number}").stdout, range(24)))
    assert said == [f"{number}\n" for number in range(24)]


def test_asyncio_has_the_same(cells: Cellblock) -> None:
    async def everything() -> tuple[list[LiveEntry], Status, Status]:
        job = await cells.submit_async(TURNS, live=True)
        entries = [entry async for entry in cells.follow_async(job)]
        long = await cells.submit_async("sleep 60")
        await cells.cancel_async(long)
        result = await cells.run_async("true")
        assert entries == list(job.follow())
        return entries, result.status, (await long.get_async(timeout=30)).status

    entries, ended, cancelled = asyncio.run(everything())
    assert [entry.kind for entry in entries] == ["start", "stdout", "stderr", "end"]
    assert (ended, cancelled) == (Status.SUCCEEDED, Status.CANCELLED)


def test_a_caller_that_waits_no_longer_may_ask_again(cells: Cellblock) -> None:
    job = cells.submit("sleep 0.5")
    with pytest.raises(TimeoutError, match=r"There is no result after 0\.1 s; the job goes on"):
        job.get(timeout=0.1)
    assert not job.ready()
    assert cells.job(job.id).get(timeout=30).status is Status.SUCCEEDED


def test_asyncio_waits_no_longer_either(cells: Cellblock) -> None:
    job = cells.submit("sleep 0.5")
    with pytest.raises(TimeoutError):
        asyncio.run(job.get_async(timeout=0.1))
    job.get(timeout=30)


@pytest.mark.usefixtures("fresh_task")
def test_the_task_takes_its_addresses_from_the_environment(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "broker"
    secret.write_text(f"{worker.broker_url}\n")
    monkeypatch.setenv("CELLBLOCK_BROKER_URL_FILE", str(secret))
    assert run_sandboxed.delay("echo hi", "bash").get(timeout=40)["stdout"] == "hi\n"
    live = run_sandboxed.apply_async(("echo hi",), {"timeout": 9}, headers={"cellblock_live": True})
    assert [entry.data for entry in live.follow()] == [b"1", b"hi\n", b"succeeded"]


def test_a_signature_can_be_sent_by_the_apps_own_celery(byname: Celery) -> None:
    theirs = signature(dict(run_sandboxed.s("exit 3", "bash", timeout=5)), app=byname)
    assert theirs.apply_async().get(timeout=40)["exit_code"] == 3


def test_a_job_that_is_too_many_fails_with_the_time_to_try_again(tmp_path: Path, broker_url: str) -> None:
    cells = Cellblock(broker_url, tenant="a")
    bounds = {"CELLBLOCK_TENANT_MAX_QUEUED": "2", **HOST}
    with running_worker(tmp_path, broker_url, "--concurrency=1", **bounds):
        jobs = [cells.submit("sleep 0.5") for _ in range(10)]
        refused = [error for job in jobs if (error := refusal(job))]
    assert 5 <= len(refused) < 10
    assert "Try: send it again in" in str(refused[0])
    assert all(error.retry_after >= 0.75 for error in refused)


def refusal(job: Job) -> QueueFull | None:
    try:
        job.get(timeout=40)
    except QueueFull as error:
        return error
    return None


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ({"exc_type": "EngineUnreachable", "exc_message": ["no engine"]}, "EngineUnreachable: no engine"),
        ({"exc_type": "QueueFull", "exc_message": ["full", "soon"]}, "QueueFull: full"),
        (
            {"exc_type": "WorkerLostError", "exc_message": ["gone"], "exc_module": "billiard.exceptions"},
            "TaskFailed: The task failed with WorkerLostError: gone",
        ),
        ({"exc_type": "annotations", "exc_message": ["no error"]}, "TaskFailed: The task failed with anno"),
        (
            {"exc_type": "CommandFailed", "exc_message": ["it failed", {"status": "odd"}]},
            "UnreadableResult: What is stored is no result",
        ),
    ],
)
def test_only_errors_of_the_tree_are_made_of_what_is_stored(
    broker_url: str, stored: dict[str, Any], error: str
) -> None:
    with redis.Redis.from_url(broker_url) as store:
        store.set("celery-task-meta-x", json.dumps({"status": "FAILURE", "result": stored}), ex=60)
    job = Cellblock(broker_url).job("x")
    with pytest.raises(CellblockError) as caught:
        job.get(timeout=5)
    assert f"{type(caught.value).__name__}: {caught.value}".startswith(error)


@pytest.mark.parametrize(("stored", "seconds"), [(7.5, 7.5), ("soon", 1.0), (True, 1.0)])
def test_a_full_queue_says_when_to_try_again_whatever_is_stored(stored: object, seconds: float) -> None:
    error = error_of(Failure("QueueFull", ["full", stored]))
    assert isinstance(error, QueueFull)
    assert error.retry_after is not True
    assert error.retry_after == seconds


def test_an_error_of_another_kind_has_its_name() -> None:
    assert TaskFailed("…", "WorkerLostError").name == "WorkerLostError"


def test_a_broker_that_is_away_is_an_error_within_the_patience(nobody: str) -> None:
    cells = Cellblock(nobody, patience=0.3)
    for call in (lambda: cells.submit("true"), cells.job("x").get, cells.job("x").cancel):
        with pytest.raises(BrokerUnreachable, match=r"Redis at redis://127\S+ cannot be reached"):
            call()


def test_a_wrong_password_is_an_error_at_once_that_does_not_repeat_it(worker: Worker) -> None:
    wrong = Cellblock(worker.broker_url.replace("tester:", "tester:guess"), patience=60)
    with pytest.raises(BrokerUnreachable, match="refuses the user or the password") as caught:
        wrong.submit("true")
    assert "guess" not in str(caught.value)


def test_asyncio_is_told_the_same(nobody: str) -> None:
    cells = Cellblock(nobody, patience=0.3)

    async def followed() -> list[LiveEntry]:
        return [entry async for entry in cells.follow_async("x")]

    with pytest.raises(BrokerUnreachable):
        asyncio.run(cells.job("x").get_async())
    with pytest.raises(BrokerUnreachable):
        asyncio.run(followed())
    with pytest.raises(BrokerUnreachable):
        list(cells.follow("x"))


def test_the_message_says_for_whom_it_is_and_shows_no_content(
    broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    cells = Cellblock(broker_url, tenant="alice")
    cells.submit("secret", "bash", env={"KEY": "secret"})
    cells.submit("secret", tenant="bob", queue="other", priority=4, task_id="mine")
    with redis.Redis.from_url(broker_url, decode_responses=True) as store:
        keys = [store.keys(f"{name}*")[0] for name in ("cellblock", "other")]
        mine, other = (json.loads(store.lindex(key, 0) or "") for key in keys)
        store.flushdb()
    assert (mine["headers"]["cellblock_tenant"], other["headers"]["cellblock_tenant"]) == ("alice", "bob")
    assert (other["headers"]["id"], keys[1][-1]) == ("mine", "4")
    assert mine["headers"]["kwargsrepr"] == "['env']"
    assert "secret" not in json.dumps(mine["headers"])
    assert mine["headers"]["parent_id"] is None
