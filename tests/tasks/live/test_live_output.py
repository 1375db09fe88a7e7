"""The writer of live output with a faulty Redis: the job never waits for it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks.live.entry import Piece, read_piece
from tasks.live.write.live_output import LiveOutput
from tasks.live.write.stream import LiveStream
from tasks.live.write.unsent import Unsent, chunks
from tests.programs import running_redis
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_BYTES = 1 << 20
KEY = "cellblock.live:job"
PIECE = b"x" * (32 << 10)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    """A client of a Redis for this test alone, which the test may stop or overload."""
    with running_redis(tmp_path) as url, redis.Redis.from_url(url) as client:
        yield client


def output_to(store: Any) -> LiveOutput:
    stream = LiveStream(store, KEY, attempt=1, limit_bytes=LIMIT_BYTES, lasts_s=100, lingers_s=10)
    return LiveOutput(stream, "job", LIMIT_BYTES)


@contextmanager
def live(store: Any) -> Iterator[LiveOutput]:
    """Give a live output, and wait at the end for its last write. A job does not wait for that."""
    with output_to(store) as output:
        yield output
    output._thread.join(20)


def pieces(store: Any) -> list[Piece]:
    return [piece for _, fields in store.xrange(KEY) if (piece := read_piece(fields))]


def await_written(store: Any, count: int) -> None:
    """Wait until Redis has received `count` bytes of the output, even if it has dropped some since."""

    def written() -> int:
        last = store.xrevrange(KEY, count=1)
        piece = read_piece(last[0][1]) if last else None
        return piece.offset + len(piece.data) if piece else 0

    wait_until(lambda: written() == count, 10, f"{count} bytes are written")


def test_a_hundred_megabytes_wait_for_nothing_while_redis_takes_nothing(store: Any) -> None:
    with live(store) as output:
        # If the job waited for Redis, the pause would not end.
        store.execute_command("CLIENT", "PAUSE", 600_000, "WRITE")
        for _ in range(3200):
            output.heard(1, PIECE)
        output.end("succeeded")
        store.execute_command("CLIENT", "UNPAUSE")
    last, end = pieces(store)[-2:]
    assert last.offset + len(last.data) == 3200 * len(PIECE)
    assert end.data == b"succeeded"


def test_a_redis_that_stays_away_costs_the_job_a_second_in_the_end(store: Any) -> None:
    store.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
    started = time.monotonic()
    with output_to(store) as output:
        output.heard(1, PIECE)
    assert 1 <= time.monotonic() - started < 20
    store.execute_command("CLIENT", "UNPAUSE")
    output._thread.join(5)
    assert [piece.kind for piece in pieces(store)] == ["start", "stdout"] + ["stdout"] * 2


def test_a_full_redis_is_warned_of_once_and_without_what_was_written(
    store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store.config_set("maxmemory", "1mb")
    with live(store) as output:
        output.heard(1, b"a secret")
        wait_until(lambda: caplog.records, 10, "it is warned of")
        output.heard(1, b"a secret")
    assert [record.getMessage() for record in caplog.records] == [
        "Live output of job job has gaps: Redis: OutOfMemoryError"
    ]


def test_a_flood_stays_within_its_limit_in_redis(store: Any) -> None:
    with live(store) as output:
        for number in range(1, 801):
            output.heard(1, PIECE)
            if number % 32 == 0:
                await_written(store, number * len(PIECE))
    assert 0.5 * LIMIT_BYTES < store.memory_usage(KEY) < 1.3 * LIMIT_BYTES


def test_single_bytes_by_the_thousand_stay_within_it_too(store: Any) -> None:
    with live(store) as output:
        for number in range(100_000):
            output.heard(1 + number % 2, b"x")
    assert store.memory_usage(KEY) < 1.3 * LIMIT_BYTES


def test_a_new_attempt_takes_the_place_of_the_old_one(store: Any) -> None:
    for text in (b"old", b"new"):
        with live(store) as output:
            output.heard(1, text)
    assert [piece.data for piece in pieces(store)] == [b"1", b"new"]


def test_the_newest_stay_when_there_is_no_room_for_all() -> None:
    backlog = Unsent(3 * (100 + 10))
    for number in range(10):
        backlog.add("stdout", b"%010d" % number)
    assert [piece.offset for piece in backlog.take(1000)] == [70, 80, 90]


def test_neighbours_are_joined_and_large_ones_split_with_nothing_changed() -> None:
    written = [
        Piece("stdout", 1.0, 0, b"a" * 10_000),
        Piece("stdout", 1.01, 10_000, b"b" * 10_000),
        Piece("stderr", 1.02, 0, b"c"),
        Piece("stdout", 1.03, 20_000, b"d"),
        Piece("stdout", 9.0, 20_001, b"e"),
    ]
    joined = list(chunks(written))
    assert [(piece.kind, piece.offset) for piece in joined] == [
        ("stdout", 0),
        ("stdout", 15 << 10),
        ("stderr", 0),
        ("stdout", 20_000),
        ("stdout", 20_001),
    ]
    assert b"".join(piece.data for piece in joined) == b"".join(piece.data for piece in written)
