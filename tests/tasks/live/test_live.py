"""Live output: the output of a job is followed while the job runs."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from sandbox import NoLiveOutput
from tasks.headers import LIVE
from tasks.live import END, START, LiveEntry, follow, follow_async
from tasks.live.entry import key_of
from tasks.live.read.follow import heard_so_far
from tasks.live.write import switch
from tasks.live.write.switch import live_output
from tasks.settings import this_settings
from tests.conftest import remove_cells
from tests.engine_stand_in import standing_in
from tests.programs import running_worker
from tests.tasks.conftest import ANSWER_S, TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import docker
    from celery import Celery
    from celery.result import AsyncResult

    from tests.programs import Worker

    SendLive = Callable[..., AsyncResult[Any]]

TURNS = "for n in 1 2; do echo out $n; sleep 0.1; echo err $n >&2; sleep 0.1; done"
FLOOD_BYTES = 12_000_000
FLOOD = f"yes 0123456789abcdef | head -c {FLOOD_BYTES}"


@pytest.fixture
def send_live(byname: Celery, monkeypatch: pytest.MonkeyPatch) -> SendLive:
    """A function that sends a job with live output. This process follows it in the worker's Redis."""
    monkeypatch.setattr("tasks.live.place.app", byname)
    return lambda cmd, **limits: byname.send_task(TASK, [cmd, "bash"], limits, headers={LIVE: True})


@pytest.fixture
def store(worker: Worker) -> Iterator[Any]:
    with redis.Redis.from_url(worker.broker_url) as client:
        yield client


def outputs(entries: Iterable[LiveEntry]) -> list[tuple[str, bytes]]:
    return [(entry.kind, entry.data) for entry in entries if entry.kind not in (START, END)]


def test_both_streams_come_in_order_with_the_times_at_which_they_were_written(send_live: SendLive) -> None:
    entries = list(follow(send_live(TURNS).id))
    assert outputs(entries) == [
        ("stdout", b"out 1\n"),
        ("stderr", b"err 1\n"),
        ("stdout", b"out 2\n"),
        ("stderr", b"err 2\n"),
    ]
    first, *_, last = [entry.time for entry in entries[1:-1]]
    assert 0.25 < last - first < 5


def test_it_begins_with_the_attempt_and_ends_with_the_status(send_live: SendLive) -> None:
    first, *_, last = follow(send_live("exit 3").id)
    assert [(first.kind, first.data), (last.kind, last.data)] == [("start", b"1"), ("end", b"failed")]


@pytest.mark.alone
def test_a_line_is_read_within_a_tenth_of_a_second_while_the_job_runs(send_live: SendLive) -> None:
    handle = send_live("for n in 1 2 3 4 5 6 7; do date +%s.%N; sleep 0.1; done")
    written = (entry.data for entry in follow(handle.id) if entry.kind == "stdout")
    # On a busy host two lines may come together.
    late = [time.time() - float(line) for data in written for line in data.splitlines()]
    assert len(late) == 7
    assert statistics.median(late) < 0.1


def test_a_follower_goes_on_where_another_has_stopped(send_live: SendLive) -> None:
    handle = send_live(TURNS)
    early = next(entry for entry in follow(handle.id) if entry.data == b"err 1\n")
    rest = list(follow(handle.id, after=early.id))
    assert outputs(rest) == [("stdout", b"out 2\n"), ("stderr", b"err 2\n")]
    assert not any(entry.skipped_bytes for entry in rest)


def test_asyncio_sees_the_same(send_live: SendLive) -> None:
    handle = send_live(TURNS)

    async def collected() -> list[LiveEntry]:
        return [entry async for entry in follow_async(handle.id)]

    assert asyncio.run(collected()) == list(follow(handle.id))


def test_a_slow_reader_holds_up_no_flood_and_is_told_what_it_missed(send_live: SendLive, store: Any) -> None:
    handle = send_live(FLOOD, output_limit="1m")
    reader = follow(handle.id)
    assert next(reader).kind == START
    assert handle.get(timeout=ANSWER_S)["stdout_bytes"] == FLOOD_BYTES
    assert store.memory_usage(key_of(handle.id)) < 1.3 * (1 << 20)
    *entries, end = reader
    assert end.data == b"succeeded"
    assert sum(len(entry.data) + entry.skipped_bytes for entry in entries) == FLOOD_BYTES


def test_as_much_as_the_stream_holds_is_never_cut(send_live: SendLive) -> None:
    handle = send_live("head -c 900000 /dev/zero; sleep 0.2; echo done")
    assert b"".join(data for _, data in outputs(follow(handle.id))) == bytes(900_000) + b"done\n"


def test_what_a_running_job_has_written_can_be_had_at_once(send_live: SendLive) -> None:
    handle = send_live("echo so far; sleep 1; echo later")
    next(entry for entry in follow(handle.id) if entry.kind == "stdout")
    assert heard_so_far(handle.id) == (b"so far\n", b"", 7, 0)


def test_a_stream_is_gone_some_time_after_its_job(send_live: SendLive, store: Any) -> None:
    handle = send_live("sleep 0.5")
    next(follow(handle.id))
    while_running_s = store.ttl(key_of(handle.id))
    handle.get(timeout=ANSWER_S)
    assert 0 < store.ttl(key_of(handle.id)) <= 300 < while_running_s < 3600


def test_a_job_that_asks_for_none_has_no_stream(byname: Celery, store: Any) -> None:
    handle = byname.send_task(TASK, ["echo quiet", "bash"])
    handle.get(timeout=ANSWER_S)
    assert not store.exists(key_of(handle.id))


@pytest.mark.parametrize(
    ("setting", "header", "streams"),
    [("off", True, False), ("asked", None, False), ("on", False, False), ("on", None, True)],
)
def test_the_operator_and_then_the_job_decide(
    setting: str, header: bool | None, streams: bool, monkeypatch: pytest.MonkeyPatch, send_live: SendLive
) -> None:
    class Context(dict[str, object]):
        id = "any"

    monkeypatch.setenv("CELLBLOCK_LIVE", setting)
    with live_output(Context({LIVE: header}), 1) as live:
        assert (live is not None) == streams


def test_a_job_that_is_retried_and_fails_ends_the_following_too(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(broker_url)
    monkeypatch.setattr("tasks.live.place.app", client)
    program = "celery -A tasks worker --loglevel=INFO"
    with (
        tempfile.TemporaryDirectory(prefix="cb-") as folder,
        standing_in(Path(folder) / "engine") as engine,
        running_worker(
            tmp_path,
            broker_url,
            "--concurrency=1",
            program=program,
            CELLBLOCK_DOCKER_HOST=engine.url,
            CELLBLOCK_MAX_ATTEMPTS="2",
        ),
    ):
        handle = client.send_task(TASK, ["true"], headers={LIVE: True})
        entries = [(entry.kind, entry.data) for entry in follow(handle.id)]
    assert entries == [("start", b"1"), ("start", b"2"), ("end", b"FAILURE")]


def test_a_job_that_is_cancelled_ends_the_following(send_live: SendLive) -> None:
    handle = send_live("echo ready; sleep 60")
    seen = []
    for entry in follow(handle.id):
        seen.append(entry.data)
        if entry.data == b"ready\n":
            handle.revoke(terminate=True)
    assert seen == [b"1", b"ready\n", b"cancelled"]


def test_a_follower_goes_on_through_the_death_of_a_jobs_process(
    tmp_path: Path,
    broker_url: str,
    engine: docker.APIClient,
    client_of: Callable[[str], Celery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_of(broker_url)
    monkeypatch.setattr("tasks.live.place.app", client)
    with running_worker(tmp_path, broker_url, "--concurrency=1") as worker:
        handle = client.send_task(TASK, ["echo begun; sleep 1; echo done"], headers={LIVE: True})
        seen = []
        for entry in follow(handle.id):
            seen.append(entry.data)
            if seen == [b"1", b"begun\n"]:
                os.kill(worker.pool[0].pid, signal.SIGKILL)
    remove_cells(engine)
    assert seen == [b"1", b"begun\n", b"2", b"begun\n", b"done\n", b"succeeded"]


def test_a_follower_of_what_nobody_knows_any_more_does_not_wait(send_live: SendLive, store: Any) -> None:
    handle = send_live("sleep 3")
    reader = follow(handle.id)
    next(reader)
    store.delete(key_of(handle.id))
    assert next(reader).data == b"lost"
    handle.get(timeout=ANSWER_S)


def test_a_worker_says_at_its_start_that_its_result_backend_keeps_no_live_output(
    client_of: Callable[[str], Celery], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tasks.live.place.app", client_of("cache+memory://"))
    switch.warn_of_no_live_output()
    assert caplog.text == ""
    monkeypatch.setenv("CELLBLOCK_LIVE", "on")
    this_settings.cache_clear()
    switch.warn_of_no_live_output()
    assert "no live output (CELLBLOCK_LIVE=on): the result backend is not Redis" in caplog.text


def test_another_result_backend_is_named_with_what_to_do(
    client_of: Callable[[str], Celery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.live.place.app", client_of("cache+memory://"))
    with pytest.raises(NoLiveOutput, match=r"needs Redis as the result backend.* Try: "):
        follow("any")
