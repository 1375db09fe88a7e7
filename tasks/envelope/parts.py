"""What a message is made of, taken apart within bounds of size, number and depth."""

from __future__ import annotations

from binascii import Error as NoBase64
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import loads

from config import format_bytes

__all__ = ["Junk", "Parts", "open_message", "read_json"]

# As many values as the largest sensible job has, each of which costs a hundred times its one character.
_MOST_VALUES = 250_000
_SEPARATORS = (b",", b"[", b"{")
# Chains of chords have four levels each. Behind a thousand, Python's own functions raise.
_DEPTH = 100
# What kombu's own types raise for values that they can't be made from.
_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NoBase64)


class Junk(Exception):
    """A message, or a part of it, makes no sense: a sentence that says why, and nothing of the message."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A message as its broker delivers it. Nothing of it has been looked at."""

    headers: object
    properties: object
    content_type: object
    content_encoding: object
    body: object


def open_message(raw: bytes, most_bytes: int) -> Parts:
    """The parts of a message in kombu's own envelope, which is JSON.

    Raises:
        Junk: it is none.
    """
    if len(raw) > most_bytes:
        raise Junk(f"it is larger than {format_bytes(most_bytes)}")
    content = read_json(raw, "it")
    if not isinstance(content, dict):
        raise Junk("it is no object")
    return Parts(
        headers=content.get("headers"),
        properties=content.get("properties"),
        content_type=content.get("content-type"),
        content_encoding=content.get("content-encoding"),
        body=content.get("body"),
    )


def read_json(text: bytes, what: str) -> Any:  # noqa: ANN401  whatever a publisher writes
    """The value that `text` stands for, with kombu's own types in it.

    Raises:
        Junk: a sentence about `what`.
    """
    if _values(text) > _MOST_VALUES:
        raise Junk(f"{what} has more than {_MOST_VALUES} values")
    try:
        value = loads(text.decode())
    except RecursionError:
        raise Junk(f"{what} is nested too deep") from None
    except _UNREADABLE:
        raise Junk(f"{what} is no JSON that can be read") from None
    if text.count(b"[") + text.count(b"{") > _DEPTH and _is_deeper(value, _DEPTH):
        raise Junk(f"{what} is nested too deep")
    return value


def _values(text: bytes) -> int:
    """At least as many as there are; exactly, where commas in texts would make it too many."""
    rough = sum(map(text.count, _SEPARATORS))
    if rough <= _MOST_VALUES:
        return rough
    bare = text.replace(rb"\\", b"").replace(rb"\"", b"")
    texts = bare.count(b'"') // 2
    if texts > 2 * _MOST_VALUES:
        return texts
    return sum(sum(map(between.count, _SEPARATORS)) for between in bare.split(b'"')[::2])


def _is_deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    match value:
        case list():
            return [one for one in value if isinstance(one, list | dict)]
        case dict():
            return [one for one in value.values() if isinstance(one, list | dict)]
        case _:
            return []
