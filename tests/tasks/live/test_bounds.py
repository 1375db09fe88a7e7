"""The limits of live output before it is in Redis: what is kept, what is dropped first, and when."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import redis

from tasks.live.entry import END, START, STDERR, STDOUT, Piece, read_piece
from tasks.live.write import live_output
from tasks.live.write.live_output import LiveOutput
from tasks.live.write.stream import LiveStream
from tasks.live.write.unsent import Unsent, chunks, cost_bytes
from tests.heard import said_to
from tests.waiting import wait_until

JOB = "the-job"
KEY = "cellblock.live:the-job"


def piece(offset: int, size: int = 10, kind: str = STDOUT, at: float = 1.0) -> Piece:
    return Piece(kind, at, offset, b"x" * size)


def test_a_backlog_forgets_the_oldest_beyond_its_limit_however_much_went_through_it() -> None:
    backlog = Unsent(3 * 110)
    for _ in range(5):
        for _ in range(3):
            backlog.add(STDOUT, b"x" * 10)
        assert len(backlog.take(1000)) == 3
    assert backlog._size_bytes == 0
    for _ in range(4):
        backlog.add(STDERR, b"x" * 10)
    assert [one.offset for one in backlog.take(1000)] == [10, 20, 30]


def test_one_piece_that_is_larger_than_the_limit_is_kept() -> None:
    backlog = Unsent(50)
    backlog.add(STDOUT, b"x" * 500)
    assert [len(one.data) for one in backlog.take(1)] == [500]


def test_each_stream_counts_its_own_bytes_and_each_piece_its_own_moment() -> None:
    backlog = Unsent(10_000)
    for kind in (STDOUT, STDERR, STDOUT):
        backlog.add(kind, b"abc")
    taken = backlog.take(10_000)
    assert [(one.kind, one.offset, one.data) for one in taken] == [
        (STDOUT, 0, b"abc"),
        (STDERR, 0, b"abc"),
        (STDOUT, 3, b"abc"),
    ]
    assert all(abs(one.time_s - time.time()) < 5 for one in taken)


@pytest.mark.parametrize(("most", "taken"), [(1, 1), (110, 1), (111, 2), (330, 3), (1000, 3)])
def test_a_batch_is_about_as_large_as_it_may_be(most: int, taken: int) -> None:
    backlog = Unsent(10_000)
    for _ in range(3):
        backlog.add(STDOUT, b"x" * 10)
    assert len(backlog.take(most)) == taken
    backlog.close()
    assert len(backlog.take(1000)) == 3 - taken


def test_who_takes_waits_for_something_or_for_the_end() -> None:
    backlog = Unsent(10_000)
    taken: list[list[Piece]] = []
    taking = threading.Thread(
        target=lambda: taken.extend([backlog.take(1), backlog.take(1), backlog.take(1)])
    )
    taking.start()
    taking.join(0.05)
    assert taking.is_alive()
    backlog.add(STDOUT, b"x")
    backlog.add(STDOUT, b"y")
    taking.join(0.05)
    assert taking.is_alive()
    backlog.close()
    taking.join(5)
    assert [[one.data for one in batch] for batch in taken] == [[b"x"], [b"y"], []]


@pytest.mark.parametrize(
    ("second", "joined"),
    [
        (piece(10), True),
        (piece(10, at=1.049), True),
        (piece(10, at=1.06), False),
        (piece(11), False),
        (piece(10, kind=STDERR), False),
    ],
)
def test_neighbours_of_one_stream_and_one_moment_are_joined(second: Piece, joined: bool) -> None:
    assert (len(list(chunks([piece(0), second]))) == 1) is joined


def test_a_piece_costs_its_data_and_a_hundred_bytes() -> None:
    assert cost_bytes(piece(0, 7)) == 107


def test_an_entry_has_fifteen_kib_at_most() -> None:
    assert [len(one.data) for one in chunks([piece(0, 40_000)])] == [15 << 10, 15 << 10, 40_000 - (30 << 10)]


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({}, True),
        ({b"kind": b"start"}, True),
        ({b"kind": b"stderr"}, True),
        ({b"kind": b"end"}, True),
        ({b"kind": b"other"}, False),
        ({b"kind": b"\xff"}, False),
        ({b"time": b"0"}, True),
        ({b"time": b"-1"}, False),
        ({b"time": b"nan"}, False),
        ({b"time": b"253402300798"}, True),
        ({b"time": b"253402300799"}, False),
        ({b"offset": b"-1"}, False),
        ({b"offset": b"x"}, False),
        ({b"offset": str((1 << 62) - 1).encode()}, True),
        ({b"offset": str(1 << 62).encode()}, False),
    ],
)
def test_an_entry_that_no_worker_has_written_is_none(change: dict[bytes, bytes], known: bool) -> None:
    fields = {b"kind": b"stdout", b"time": b"1.5", b"offset": b"3", b"data": b"x"} | change
    assert (read_piece(fields) is not None) is known
    del fields[b"data"]
    assert read_piece(fields) is None


def stream_to(client: Any, limit_bytes: int = 1000, attempt: int = 1) -> LiveStream:
    return LiveStream(client, KEY, attempt=attempt, limit_bytes=limit_bytes, lasts_s=100.2, lingers_s=10.2)


def offsets(client: Any) -> list[int]:
    pieces = (read_piece(fields) for _, fields in client.xrange(KEY))
    return [one.offset for one in pieces if one and one.kind == STDOUT]


def test_a_stream_keeps_the_newest_within_its_limit_whatever_went_before(results: Any) -> None:
    client = results.client
    stream = stream_to(client)
    for number in range(50):
        stream.write([piece(100 * number, 100)])
        assert len(offsets(client)) <= 5
    assert offsets(client) == [4500, 4600, 4700, 4800, 4900]


def test_a_stream_is_never_without_an_end_of_its_life(results: Any) -> None:
    with said_to(results.client) as said:
        stream_to(results.client).write([piece(0)])
    assert said.index("MULTI") < said.index("XADD") < said.index("EXPIRE") < said.index("EXEC")


def test_a_write_that_fills_the_whole_stream_leaves_itself(results: Any) -> None:
    stream = stream_to(results.client)
    stream.write([piece(0, 100)])
    stream.write([piece(100, 5000)])
    assert offsets(results.client) == [100]
    assert client_kinds(results.client) == [STDOUT]


def client_kinds(client: Any) -> list[str]:
    pieces = (read_piece(fields) for _, fields in client.xrange(KEY))
    return [one.kind for one in pieces if one]


def test_a_stream_lasts_while_its_job_does_and_a_while_longer(results: Any) -> None:
    stream = stream_to(results.client)
    stream.write([])
    assert results.client.ttl(KEY) in (100, 101)
    stream.write([piece(0)])
    assert results.client.ttl(KEY) in (100, 101)
    stream.write([Piece(END, 2.0, 0, b"succeeded")])
    assert results.client.ttl(KEY) in (10, 11)
    assert client_kinds(results.client) == [START, STDOUT, END]


def test_what_redis_has_refused_is_written_with_the_next_and_nothing_twice(results: Any) -> None:
    stream = stream_to(results.client)
    results.client.set(KEY, "no stream", ex=60)
    with pytest.raises(redis.ResponseError):
        stream.write([piece(0)])
    results.client.delete(KEY)
    for number in (1, 2):
        stream.write([piece(10 * number)])
    assert (client_kinds(results.client), offsets(results.client)) == ([START, STDOUT, STDOUT], [10, 20])


class Sink:
    """A stream that keeps the pieces that are written, or raises `error` if that is set."""

    def __init__(self) -> None:
        self.written: list[list[Piece]] = []
        self.error: Exception | None = None
        self.tried = 0

    def write(self, pieces: list[Piece]) -> None:
        self.tried += 1
        if self.error:
            raise self.error
        self.written.append(pieces)


def output_to(sink: Any, limit_bytes: int = 4 << 20) -> LiveOutput:
    return LiveOutput(sink, JOB, limit_bytes)


def test_the_start_is_written_at_once_and_the_end_last() -> None:
    sink = Sink()
    with output_to(sink) as output:
        wait_until(lambda: sink.written, 5, "the start is written")
        output.heard(1, b"out")
        output.heard(2, b"err")
        output.end("failed")
    first, *rest = sink.written
    told = [(one.kind, one.data) for batch in rest for one in batch]
    assert (first, told) == ([], [(STDOUT, b"out"), (STDERR, b"err"), (END, b"failed")])
    assert not output._thread.is_alive()


@pytest.mark.parametrize(("limit", "batch"), [(4 << 20, 256 << 10), (1 << 20, 256 << 10), (400, 100)])
def test_a_batch_is_a_quarter_of_the_limit_at_most(limit: int, batch: int) -> None:
    assert output_to(Sink(), limit)._batch_bytes == batch


def test_after_an_error_the_writer_rests_and_ends_at_once_with_the_job(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "_AFTER_ERROR_S", 30 * live_output._AFTER_ERROR_S)
    sink = Sink()
    sink.error = redis.ConnectionError("secret")
    with output_to(sink) as output:
        output.heard(1, b"out")
        wait_until(lambda: sink.tried == 2, 5, "the start and the output were tried")
        output.heard(1, b"more")
        output._thread.join(0.2)
        assert sink.tried == 2
    assert not output._thread.is_alive()
    assert caplog.messages == ["Live output of job the-job has gaps: Redis: ConnectionError"]


def test_the_writer_takes_a_tenth_of_its_time_and_less_in_a_flood() -> None:
    output = output_to(Sink(), 4 * 150)
    little, whole = [piece(0, 49)], [piece(0, 50)]
    assert output._rest_s(little, 0.001) == pytest.approx(0.009)
    assert output._rest_s(little, 1.0) == pytest.approx(0.1)
    rests = [output._rest_s(whole, 0.0) for _ in range(7)]
    assert rests == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.25])
    assert output._rest_s(whole, 1.0) == pytest.approx(0.25)
    assert output._rest_s(little, 0.0) == 0.0
    assert output._rest_s(whole, 0.0) == pytest.approx(0.01)
