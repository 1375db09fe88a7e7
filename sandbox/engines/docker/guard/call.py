"""Reads one call of the engine's API strictly, and refuses every call that can be read in two ways."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    import h11

__all__ = ["Call", "Refused", "body_bytes", "parse_json", "read_call"]

# A cell's configuration takes some 20 KiB. Most of that is the supervisor and the list of system calls.
_BODY_BYTES = 512 << 10
_QUERY_FIELDS = 16
# Before 1.41 the API does not know `CgroupnsMode`, and ignores it without an error.
_PATH = re.compile(r"(?:/v1\.(?P<minor>4[1-9]|[5-9][0-9]))?(?P<path>(?:/[A-Za-z0-9_][A-Za-z0-9._:@-]*)+)")
# A registry's credentials, in URL-safe base64.
_TOKEN = re.compile(r"[A-Za-z0-9_=-]{1,8192}")


class Refused(Exception):
    """The guard does not let a call through; the message says why. The exception never leaves the guard."""


@dataclass(frozen=True, slots=True)
class Call:
    """A client's call. `version` is the API's, such as "/v1.41", or empty. `path` has the parts after it."""

    method: str
    version: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: Any = None
    upgrade: bool = False
    registry_auth: str | None = None


def body_bytes(request: h11.Request) -> int:
    """The length of the request's body.

    Raises:
        Refused: the body is chunked or too long, the client waits to be asked for it (`Expect`), or the
            request is not HTTP/1.1.
    """
    headers = _headers(request)
    if {"transfer-encoding", "expect", "trailer", "te"} & headers.keys() or request.http_version != b"1.1":
        raise Refused("send the body whole, in HTTP/1.1")
    length = int(headers.get("content-length", "0"))
    if length > _BODY_BYTES:
        raise Refused(f"a body of more than {_BODY_BYTES} bytes")
    return length


def read_call(request: h11.Request, body: bytes) -> Call:
    """The call that `request` makes.

    Raises:
        Refused: there is more than one way to read it.
    """
    headers = _headers(request)
    target, mark, query = request.target.decode("latin-1").partition("?")
    match = _PATH.fullmatch(unquote(target, encoding="latin-1"))
    if match is None or (mark and not query):
        raise Refused("no address of the engine's API")
    path = tuple(match["path"].split("/")[1:])
    return Call(
        method=request.method.decode(),
        version=f"/v1.{match['minor']}" if match["minor"] else "",
        path=path,
        query=_query(query),
        body=parse_json(body) if body else None,
        upgrade=_upgrade(headers),
        registry_auth=_registry_auth(headers),
    )


def parse_json(data: bytes | str) -> Any:  # noqa: ANN401  whatever it holds
    """The one document in `data`, if every parser reads it alike.

    Raises:
        Refused: `data` is not JSON in UTF-8, has a name twice in one object, has NaN or an infinity, or has
            anything after the document.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"no plain JSON: {type(error).__name__}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a name stands twice in one object")
    return found


def _no_number(name: str) -> None:
    raise Refused(f"{name} is no number")


def _headers(request: h11.Request) -> dict[str, str]:
    pairs = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a header stands twice")
    return found


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_QUERY_FIELDS
        )
    except ValueError:
        raise Refused("no plain query") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a name stands twice in the query")
    return found


def _upgrade(headers: Mapping[str, str]) -> bool:
    asked = headers.get("upgrade")
    if asked is not None and asked.lower() != "tcp":
        raise Refused("no other protocol than a container's streams")
    return asked is not None


def _registry_auth(headers: Mapping[str, str]) -> str | None:
    token = headers.get("x-registry-auth")
    if token is not None and not _TOKEN.fullmatch(token):
        raise Refused("no credentials of a registry")
    return token
