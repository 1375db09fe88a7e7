"""Reads live output, for apps: what a job writes, while it writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tasks.live.entry import END, START, STDERR, STDOUT, LiveEntry, key_of, read_piece
from tasks.live.place import live_backend, live_redis, live_redis_async
from tasks.live.read.position import FIRST, Position
from tasks.live.read.reply import COUNT, entries_in, entries_of
from tasks.results.reader import read_stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis import Redis

    from tasks.results.reader import Stored

__all__ = ["HeardSoFar", "follow", "follow_async", "heard_so_far", "held_entries"]


def follow(task_id: str, *, after: str = FIRST) -> Iterator[LiveEntry]:
    """Iterate over the output of a job, old and new, until the job is over. The last entry is of kind `end`.

    Waits for a job that has not started. `after` is the id of an entry: only later entries follow. By
    default, everything that Redis still holds comes first.

    Raises:
        NoLiveOutput: the result backend is not Redis.
        RedisError: while iterating; call again with `after` set to the id of the last entry.
    """
    return _follow(live_redis(), task_id, after)


def _follow(client: Redis, task_id: str, after: str) -> Iterator[LiveEntry]:
    reading = Position(task_id, after)
    while not reading.ended:
        reply = client.xread(reading.position(), count=COUNT, block=reading.block_ms())
        if entries := entries_in(reply):
            yield from reading.take(entries)
        else:
            payload = client.get(live_backend().get_key_for_task(task_id))
            yield from reading.nothing(_stored(payload), held=bool(client.exists(reading.key)))


def follow_async(task_id: str, *, after: str = FIRST) -> AsyncIterator[LiveEntry]:
    """The same as `follow`, for asyncio. It opens a connection and closes it when the iteration ends.

    Raises:
        NoLiveOutput: the result backend is not Redis.
        RedisError: while iterating; call again with `after` set to the id of the last entry.
    """
    live_backend()
    return _follow_async(task_id, after)


async def _follow_async(task_id: str, after: str) -> AsyncIterator[LiveEntry]:
    reading, result_key = Position(task_id, after), live_backend().get_key_for_task(task_id)
    async with live_redis_async() as client:
        while not reading.ended:
            reply = await client.xread(reading.position(), count=COUNT, block=reading.block_ms())
            if entries := entries_in(reply):
                for entry in reading.take(entries):
                    yield entry
            else:
                payload, held = await client.get(result_key), await client.exists(reading.key)
                for entry in reading.nothing(_stored(payload), held=bool(held)):
                    yield entry


def held_entries(task_id: str, *, after: str = FIRST) -> list[LiveEntry]:
    """The live output of a job that Redis holds now, without waiting.

    Raises:
        NoLiveOutput: the result backend is not Redis.
    """
    reading = Position(task_id, after)
    first = "-" if after == FIRST else f"({after}"
    return list(reading.take(entries_of(live_redis().xrange(reading.key, min=first))))


class HeardSoFar(NamedTuple):
    """The output of a job that Redis holds, and how many bytes the job had written to each stream by then."""

    stdout: bytes
    stderr: bytes
    stdout_bytes: int
    stderr_bytes: int


def heard_so_far(task_id: str) -> HeardSoFar:
    """The live output that Redis holds of a job's last attempt: its newest part, if it wrote much.

    It is empty if live output was off or has expired.

    Raises:
        NoLiveOutput: the result backend is not Redis.
    """
    data: dict[str, list[bytes]] = {STDOUT: [], STDERR: []}
    total = dict.fromkeys(data, 0)
    for _, fields in entries_of(live_redis().xrange(key_of(task_id))):
        piece = read_piece(fields)
        if piece and piece.kind not in (START, END):
            data[piece.kind].append(piece.data)
            total[piece.kind] = piece.offset + len(piece.data)
    return HeardSoFar(b"".join(data[STDOUT]), b"".join(data[STDERR]), total[STDOUT], total[STDERR])


def _stored(payload: bytes | str | None) -> Stored | None:
    return read_stored(payload) if payload else None
