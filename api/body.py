"""Reads the JSON of a request, with a bound that holds before it is read."""

from __future__ import annotations

import asyncio
import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.problems import Problem
from config import format_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from api.budget import Share

__all__ = ["LARGE_BYTES", "Body", "pieces_of", "read_body"]

#: What is larger is parsed and sent in threads, few at a time.
LARGE_BYTES = 256 << 10

# How long a body may take, and at which pace a large one must come.
_BODY_S, _BODY_BYTES_S = 30.0, 64 << 10


class Body(NamedTuple):
    """A JSON object, how many bytes it was sent as, and the digest of these."""

    value: dict[str, Any]
    size: int
    digest: str


async def read_body(request: Request, most_bytes: int, share: Share) -> Body:
    """The JSON object in a request's body, if it has `most_bytes` at most.

    Raises:
        Problem: it is too large, too slow, or no JSON object.
    """
    _check_type(request)
    data = bytearray()
    async for piece in pieces_of(request, most_bytes, "CELLBLOCK_MAX_INPUT"):
        share.take(len(piece))
        data += piece
    if len(data) > LARGE_BYTES:
        return await run_in_threadpool(_parsed, data)
    return _parsed(data)


async def pieces_of(request: Request, most_bytes: int, setting: str) -> AsyncIterator[bytes]:
    """A request's body as it is, piece by piece. `setting` is what bounds it.

    Raises:
        Problem: it is too large, or too slow.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and (len(announced) > len(str(most_bytes)) or int(announced) > most_bytes):
        raise _too_large(most_bytes, setting)
    size, began_s = 0, time.monotonic()
    stream = aiter(request.stream())
    while (piece := await _next(stream, began_s + _BODY_S + size / _BODY_BYTES_S)) is not None:
        size += len(piece)
        if size > most_bytes:
            raise _too_large(most_bytes, setting)
        yield piece


async def _next(stream: AsyncIterator[bytes], until_s: float) -> bytes | None:
    """The next piece of a body, if it comes in time. None after the last."""
    try:
        async with asyncio.timeout(max(0.0, until_s - time.monotonic())):
            return await anext(stream)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        detail = (
            f"The body comes too slowly: send it within {_BODY_S:g} s, or {_BODY_BYTES_S >> 10} KiB a second."
        )
        raise Problem(408, "bad-request", detail, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(400, "bad-request", "The connection was closed before the end of the body.") from None


def _check_type(request: Request) -> None:
    """Only JSON is read. A page elsewhere can't have a browser send that here without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(
            415, "media-type", "Send the job as JSON, with the header Content-Type: application/json."
        )


def _too_large(most_bytes: int, setting: str) -> Problem:
    detail = f"The body is larger than {format_bytes(most_bytes)}, the most that a job could use ({setting})."
    return Problem(413, "too-large", detail, {"Connection": "close"})


def _parsed(data: bytearray) -> Body:
    try:
        value = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Problem(400, "bad-request", "The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Problem(400, "bad-request", "The body is no JSON object. Send an object of a job's arguments.")
    return Body(value, len(data), sha256(data).hexdigest())


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
