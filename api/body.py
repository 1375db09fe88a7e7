"""Reads the JSON of a request, with a bound that holds before it is read."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.problems import Problem
from config import format_bytes

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.budget import Share

__all__ = ["LARGE_BYTES", "Body", "read_body"]

#: What is larger is parsed and sent in threads, few at a time.
LARGE_BYTES = 256 << 10

_BODY_S = 60.0


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
    data = await read_bytes(request, most_bytes, share)
    if len(data) > LARGE_BYTES:
        return await run_in_threadpool(_parsed, data)
    return _parsed(data)


async def read_bytes(request: Request, most_bytes: int, share: Share) -> bytes:
    """A request's body as it is."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and (len(announced) > len(str(most_bytes)) or int(announced) > most_bytes):
        raise _too_large(most_bytes)
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                if len(data) + len(chunk) > most_bytes:
                    raise _too_large(most_bytes)
                share.take(len(chunk))
                data += chunk
    except TimeoutError:
        detail = f"The body was not there after {_BODY_S:g} s."
        raise Problem(408, "bad-request", detail, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(400, "bad-request", "The connection was closed before the end of the body.") from None
    return bytes(data)


def _check_type(request: Request) -> None:
    """Only JSON is read. A page elsewhere can't have a browser send that here without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(
            415, "media-type", "Send the job as JSON, with the header Content-Type: application/json."
        )


def _too_large(most_bytes: int) -> Problem:
    detail = (
        f"The body is larger than the {format_bytes(most_bytes)} of the largest job (CELLBLOCK_MAX_INPUT)."
    )
    return Problem(413, "too-large", detail, {"Connection": "close"})


def _parsed(data: bytes) -> Body:
    try:
        value = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Problem(400, "bad-request", "The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Problem(400, "bad-request", "The body is no JSON object. Send an object of a job's arguments.")
    return Body(value, len(data), sha256(data).hexdigest())


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
