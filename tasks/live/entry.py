"""The entries of a job's live stream, in Redis and for clients that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from redis.typing import EncodableT, FieldT

__all__ = ["END", "START", "STDERR", "STDOUT", "LiveEntry", "Piece", "key_of", "read_piece"]

START = "start"
STDOUT = "stdout"
STDERR = "stderr"
END = "end"

# The end of the last year that `datetime` knows, in Unix seconds.
_YEAR_9999_S = 253_402_300_799


def key_of(task_id: str) -> str:
    """The key of a job's live stream, in the result backend's Redis."""
    return f"cellblock.live:{task_id}"


class Piece(NamedTuple):
    """Bytes that the worker read at `time_s` (Unix seconds), after `offset` bytes of the same stream.

    `run`: which of the job's runs has written them, from 0. All runs count as one stream.
    """

    kind: str
    time_s: float
    offset: int
    data: bytes
    run: int | None = None

    def fields(self) -> dict[FieldT, EncodableT]:
        """The entry's fields. Their names hardly vary, so that Redis stores them once for many entries."""
        fields: dict[FieldT, EncodableT] = {
            "kind": self.kind,
            "time": f"{self.time_s:.3f}",
            "offset": self.offset,
            "data": self.data,
        }
        return fields if self.run is None else fields | {"run": self.run}


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """One piece of live output, from `follow`.

    Attributes:
        id: its id in the stream; `follow(..., after=id)` continues after it.
        kind: `stdout` or `stderr`; `start` when a worker has taken the job; `end` when it is over.
        time: when the worker read it, in Unix seconds.
        data: the bytes, which may end inside a character; of a `start`, which attempt it is; of an `end`,
            the status of the result, else Celery's state of a job that has none (`FAILURE`, `REVOKED`), or
            `lost` when nothing more is known of it.
        skipped_bytes: how many bytes of the same stream are missing right before `data`.
        run: which of the job's `runs` has written `data`, from 0; None if the job has none.
    """

    id: str
    kind: str
    time: float
    data: bytes
    skipped_bytes: int = 0
    run: int | None = None


def read_piece(fields: Mapping[bytes, bytes]) -> Piece | None:
    """The piece in an entry of the stream; None if the entry is not one that a worker writes."""
    try:
        kind, time_s = fields[b"kind"].decode(), float(fields[b"time"])
        offset, data = int(fields[b"offset"]), fields[b"data"]
        run = int(fields[b"run"]) if b"run" in fields else None
    except (KeyError, ValueError):
        return None
    known = kind in (START, STDOUT, STDERR, END) and 0 <= time_s < _YEAR_9999_S and 0 <= offset < 1 << 62
    return Piece(kind, time_s, offset, data, run) if known else None
