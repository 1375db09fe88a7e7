"""What a follower of live output gets, what it misses, and when it ends."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import SSLConnection, UnixDomainSocketConnection

from tasks import app
from tasks.live import follow, held_entries, place
from tasks.live.entry import END, START, STDERR, STDOUT, Piece, key_of
from tasks.live.place import live_redis_async
from tasks.live.read.follow import heard_so_far
from tasks.live.read.position import Position
from tasks.live.read.reply import entries_in
from tasks.live.write import switch
from tasks.live.write.stream import LiveStream
from tasks.results.reader import Stored
from tasks.results.worker_backend import PatientRedis
from tasks.settings import this_settings
from tests.heard import commands_to

JOB = "the-job"
KEY = "cellblock.live:the-job"


def piece(offset: int, size: int = 10, kind: str = STDOUT, at: float = 1.0) -> Piece:
    return Piece(kind, at, offset, b"x" * size)


def stream_to(client: Any, limit_bytes: int = 1000, attempt: int = 1) -> LiveStream:
    return LiveStream(client, KEY, attempt=attempt, limit_bytes=limit_bytes, lasts_s=100.2, lingers_s=10.2)


def entry(number: int, kind: str, offset: int, data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    fields = {b"kind": kind.encode(), b"time": b"1", b"offset": str(offset).encode(), b"data": data}
    return f"{number}-0".encode(), fields


def read(reading: Position, *entries: tuple[bytes, dict[bytes, bytes]]) -> list[tuple[str, bytes, int]]:
    return [(one.kind, one.data, one.skipped_bytes) for one in reading.take(entries)]


def test_a_reader_is_told_what_is_missing_and_nothing_twice() -> None:
    reading = Position(JOB)
    told = read(
        reading,
        entry(1, START, 0, b"1"),
        entry(2, STDOUT, 5, b"abc"),
        entry(3, STDERR, 0, b"e"),
        entry(4, STDOUT, 8, b"d"),
        entry(5, STDOUT, 5, b"abc"),
        entry(6, STDOUT, 8, b"d"),
        entry(7, STDOUT, 20, b"f"),
        entry(8, "junk", 0, b""),
    )
    assert told == [
        (START, b"1", 0),
        (STDOUT, b"abc", 5),
        (STDERR, b"e", 0),
        (STDOUT, b"d", 0),
        (STDOUT, b"f", 11),
    ]
    assert reading.position() == {KEY: "8-0"}


def test_whoever_resumes_is_told_of_what_is_missing_from_there_on() -> None:
    reading = Position(JOB, "5-0")
    assert reading.position() == {KEY: "5-0"}
    assert read(reading, entry(6, STDOUT, 100, b"x"), entry(7, STDOUT, 103, b"y")) == [
        (STDOUT, b"x", 0),
        (STDOUT, b"y", 2),
    ]
    assert read(reading, entry(8, START, 0, b"2"), entry(9, STDOUT, 4, b"z")) == [
        (START, b"2", 0),
        (STDOUT, b"z", 4),
    ]


def test_nothing_is_read_behind_the_end() -> None:
    reading = Position(JOB)
    assert read(reading, entry(1, END, 0, b"failed"), entry(2, STDOUT, 0, b"x")) == [(END, b"failed", 0)]
    assert reading.ended


def nothing(reading: Position, stored: Stored | None, *, held: bool = True) -> list[bytes]:
    return [one.data for one in reading.nothing(stored, held=held)]


def test_a_reader_waits_a_second_at_a_time_once_it_has_asked_for_the_result() -> None:
    reading = Position(JOB)
    assert reading.block_ms() is None
    assert nothing(reading, None) == []
    assert reading.block_ms() == 1000
    assert nothing(reading, Stored("STARTED")) == []
    assert (nothing(reading, Stored("FAILURE")), reading.block_ms(), reading.ended) == ([], None, False)
    assert (nothing(reading, None), reading.ended) == ([b"FAILURE"], True)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (Stored("SUCCESS", {"status": "failed"}), b"failed"),
        (Stored("SUCCESS", {"status": 5}), b"SUCCESS"),
        (Stored("REVOKED"), b"REVOKED"),
        (Stored("", is_readable=False), b"lost"),
    ],
)
def test_a_job_with_no_end_in_its_stream_ends_with_its_result(stored: Stored, says: bytes) -> None:
    reading = Position(JOB)
    assert [nothing(reading, stored), nothing(reading, stored)] == [[], [says]]


@pytest.mark.parametrize(
    ("seen", "held", "ends"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_stream_that_was_seen_and_is_gone_is_lost(seen: bool, held: bool, ends: bool) -> None:
    reading = Position(JOB)
    if seen:
        read(reading, entry(1, START, 0, b"1"))
    assert nothing(reading, None, held=held) == []
    assert nothing(reading, None, held=held) == ([b"lost"] if ends else [])


def test_answers_of_both_protocols_are_read() -> None:
    batch = [entry(1, START, 0, b"1")]
    assert entries_in([[KEY, batch]]) == entries_in({KEY: [batch]}) == batch
    assert entries_in([]) == entries_in(None) == entries_in({}) == []


@pytest.fixture
def written(results: Any) -> Any:
    """The client of a Redis that has a stream with the output of one job."""
    stream = stream_to(results.client, 10_000)
    stream.write([piece(3, 4), piece(0, 2, STDERR), Piece(END, 2.0, 0, b"failed")])
    return results.client


def test_what_is_held_of_a_job_is_had_at_once(written: Any) -> None:
    assert heard_so_far(JOB) == (b"xxxx", b"xx", 7, 2)
    held = held_entries(JOB)
    assert [one.kind for one in held] == [START, STDOUT, STDERR, END]
    assert [one.kind for one in held_entries(JOB, after=held[1].id)] == [STDERR, END]
    assert [one.kind for one in follow(JOB)] == [START, STDOUT, STDERR, END]
    assert heard_so_far("another") == (b"", b"", 0, 0)


def test_a_follower_that_is_far_behind_reads_in_turns(results: Any) -> None:
    stream = stream_to(results.client, 1 << 20)
    for number in range(150):
        stream.write([piece(10 * number, kind=(STDOUT, STDERR)[number % 2])])
    stream.write([Piece(END, 2.0, 0, b"failed")])
    with commands_to(results.client) as heard:
        assert len(list(follow(JOB))) == 152
        asked = next(words for words in heard if words[0] == "XREAD")
    assert asked[1:4] == ["COUNT", "64", "STREAMS"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rediss://localhost/3?ssl_cert_reqs=none", SSLConnection),
        ("socket:///1", UnixDomainSocketConnection),
        ("redis://localhost/3", None),
    ],
)
def test_asyncio_connects_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch, url: str, kind: type | None
) -> None:
    backend: Any = PatientRedis(app=app, url=url)
    backend.connparams.pop("retry", None)
    monkeypatch.setattr(place, "live_backend", lambda: backend)
    pool = live_redis_async().connection_pool
    assert kind is None or issubclass(pool.connection_class, kind)
    assert pool.connection_kwargs["db"] == backend.connparams["db"]


def test_a_stream_outlasts_the_longest_job_by_a_minute_and_is_as_large_as_the_operator_says(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_LIVE", "on")
    this_settings.cache_clear()

    class Context(dict[str, object]):
        id = JOB

    output: Any = switch.live_output(Context(), 3)
    stream, settings = output._stream, this_settings()
    assert (stream._lasts_s, stream._lingers_s) == (settings.longest.hard_s + 60, settings.live_expires)
    assert (stream._limit_bytes, stream._key, stream._first[0].data) == (settings.live_limit, KEY, b"3")
    with switch.live_output(Context(is_eager=True), 1) as none:
        assert none is None
    monkeypatch.setattr(place, "keeps_live_output", lambda: False)
    with switch.live_output(Context(), 1) as none:
        assert none is None


def test_a_key_is_named_by_its_job() -> None:
    assert key_of(JOB) == KEY
