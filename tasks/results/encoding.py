"""Writes a worker's JSON in small pieces. Else a result of megabytes is in memory several times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.serialization import register
from kombu.utils.json import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["encode", "encode_in_pieces"]

# Shorter texts are left to the codec written in C, which is quicker.
_LONG = 1 << 20
_PIECE = 64 << 10


def encode(value: Any) -> str | bytearray:  # noqa: ANN401  whatever a task returns
    """`value` as JSON. If it contains a long text, the JSON is built in pieces and returned as bytes.

    It is UTF-8, because ASCII takes up to four times as much. UTF-8 cannot encode a lone surrogate: a text
    with one is ASCII with escapes.
    """
    if not _has_long_text(value):
        return _dumps(value)
    encoded = bytearray()
    for piece in _pieces(value):
        encoded += piece.encode()
    return encoded


def _dumps(value: Any) -> str:  # noqa: ANN401
    text: str = dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = dumps(value)
    return text


def _has_long_text(value: object) -> bool:
    match value:
        case str():
            return len(value) > _LONG
        case dict():
            return any(map(_has_long_text, value.values()))
        case _:
            return False


def _pieces(value: Any) -> Iterator[str]:  # noqa: ANN401
    match value:
        case str():
            yield '"'
            for start in range(0, len(value), _PIECE):
                yield _dumps(value[start : start + _PIECE])[1:-1]
            yield '"'
        case dict() if _has_long_text(value):
            yield "{"
            for number, (key, member) in enumerate(value.items()):
                yield f"{', ' if number else ''}{_dumps(str(key))}: "
                yield from _pieces(member)
            yield "}"
        case _:
            yield _dumps(value)


def encode_in_pieces(**_: object) -> None:
    """Use `encode` in this process. What it writes is ordinary JSON to every reader."""
    # The stub of `register` knows no encoder that gives bytes.
    encoder: Callable[[Any], Any] = encode
    register("json", encoder, None, "application/json")
