"""Splits a message into its parts, with limits on its size, the number of its values and their depth."""

from __future__ import annotations

from binascii import Error as NoBase64
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import loads

from config import format_bytes

__all__ = ["UNREADABLE", "Junk", "Parts", "open_message", "read_json"]

# As many values as the largest sensible job has. A value of one byte costs a hundred bytes.
_MOST_VALUES = 250_000
_SEPARATORS = (b",", b"[", b"{")
# Each chord in a chain adds four levels. Beyond a thousand levels, Python's own functions raise.
_DEPTH = 100
#: What kombu's `loads` raises for malformed JSON, and for its own types if their values are malformed.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NoBase64, RecursionError)


class Junk(Exception):
    """A message, or a part of it, is malformed. The text is a sentence that says why.

    Of the message itself, the text quotes a content type or the name of a header at most.
    """


@dataclass(frozen=True, slots=True)
class Parts:
    """A message as its broker delivers it. None of its parts has been checked."""

    headers: object
    properties: object
    content_type: object
    content_encoding: object
    body: object


def open_message(raw: bytes, most_bytes: int) -> Parts:
    """The parts of a message in kombu's own envelope, which is JSON.

    Raises:
        Junk: it is not such an envelope.
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
    """The value of the JSON in `text`, which may have kombu's own types in it.

    Raises:
        Junk: it can't be read, has too many values or is nested too deep. The sentence calls it `what`.
    """
    if _values(text) > _MOST_VALUES:
        raise Junk(f"{what} has more than {_MOST_VALUES} values")
    try:
        value = loads(text.decode())
    except RecursionError:
        raise Junk(f"{what} is nested too deep") from None
    except UNREADABLE:
        raise Junk(f"{what} is no JSON that can be read") from None
    if text.count(b"[") + text.count(b"{") > _DEPTH and _is_deeper(value, _DEPTH):
        raise Junk(f"{what} is nested too deep")
    return value


def _values(text: bytes) -> int:
    """An estimate of the number of values. At first it counts the separators in strings as well.

    Only if that is above the limit, it counts again without those in strings.
    """
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
