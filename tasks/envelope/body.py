"""The body of a message: the arguments of a task, and the tasks that follow it."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import dumps

from config.quoting import quoted
from tasks.envelope.compression import decompress
from tasks.envelope.fields import check_embedded
from tasks.envelope.parts import Junk, Parts, read_json
from tasks.envelope.rules import is_text
from tasks.envelope.verdict import JSON

__all__ = ["Body", "is_json", "read_body"]

_WRITERS = {
    "application/x-python-serialize": "pickle",
    "application/x-yaml": "yaml",
    "application/x-msgpack": "msgpack",
}
# JSON is always UTF-8, whatever kombu is told.
_ENCODINGS = ("", "utf-8", "utf8", "us-ascii", "ascii", "binary")


# The fields that Celery's first protocol has in the body, and its second protocol in the headers.
_FACTS = (
    *("lang", "task", "id", "root_id", "parent_id", "group", "meth", "eta", "expires", "retries"),
    *("timelimit", "origin", "ignore_result", "shadow"),
)
_FOLLOWERS = ("callbacks", "errbacks", "chord")


@dataclass(frozen=True, slots=True)
class Body:
    """A body in the form of Celery's second protocol, as values and as bytes."""

    payload: list[Any]
    content: bytes
    headers: dict[str, Any]


def read_body(parts: Parts, most_bytes: int) -> Body:
    """The body of a call: arguments, named arguments and the tasks that follow.

    A body of the first protocol, which is an object, is converted.

    Raises:
        Junk: it is not such a body.
    """
    content = _content_of(parts, most_bytes)
    payload = read_json(content, "its body")
    headers: dict[str, Any] = {}
    if isinstance(payload, dict):
        headers, payload = _second_protocol(payload)
        content = dumps(payload).encode()
    _check_call(payload)
    return Body(payload, content, headers)


def _second_protocol(told: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    headers = {name: told[name] for name in _FACTS if told.get(name) is not None}
    if is_text(told.get("taskset")):
        headers.setdefault("group", told["taskset"])
    followers = {name: told[name] for name in _FOLLOWERS if told.get(name) is not None}
    return headers, [told.get("args", []), told.get("kwargs", {}), followers]


def _check_call(payload: object) -> None:
    if not isinstance(payload, list) or len(payload) != 3:
        raise Junk("its body is not [arguments, named arguments, options]")
    args, kwargs, followers = payload
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Junk("its arguments are no list, or the named ones no object")
    if not isinstance(followers, dict) and followers is not None:
        raise Junk("the third part of its body is no object")
    check_embedded(followers or {})


def is_json(parts: Parts) -> bool:
    """Whether the content type is JSON."""
    kind = parts.content_type
    return isinstance(kind, str) and kind.partition(";")[0].strip().lower() == JSON


def _content_of(parts: Parts, most_bytes: int) -> bytes:
    """The bytes of the body, decompressed but not parsed.

    Raises:
        Junk: the content type is not JSON; or the body is missing, can't be decoded, or is too large.
    """
    if not is_json(parts):
        kind = parts.content_type
        named = _WRITERS.get(kind, quoted(kind)) if isinstance(kind, str) else "of no content type"
        raise Junk(
            f"its body is {named}, and only JSON is read. Try: task_serializer = 'json' where it is sent"
        )
    encoding = parts.content_encoding
    if encoding is not None and not (isinstance(encoding, str) and encoding.lower() in _ENCODINGS):
        raise Junk("its content encoding is not utf-8")
    method = parts.headers.get("compression") if isinstance(parts.headers, dict) else None
    content = decompress(_bytes(parts), method, most_bytes)
    if not content:
        raise Junk("it has no body")
    return content


def _bytes(parts: Parts) -> bytes:
    body, properties = parts.body, parts.properties
    encoding = properties.get("body_encoding") if isinstance(properties, dict) else None
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if not isinstance(body, str):
        raise Junk("its body is no text")
    try:
        return b64decode(body) if encoding == "base64" else body.encode()
    except ValueError:
        raise Junk("its body cannot be decoded") from None
