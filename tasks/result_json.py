"""Writes a worker's JSON in small pieces: a result of megabytes would else be in memory several times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.signals import worker_process_init
from kombu.serialization import register
from kombu.utils.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["encode"]

# Shorter texts are left to the codec written in C, which is quicker.
_LONG = 1 << 20
_PIECE = 64 << 10


def encode(value: Any) -> str | bytearray:  # noqa: ANN401  whatever a task returns
    """`value` as JSON: the same as Kombu's own, but as bytes, made bit by bit, where a text in it is long."""
    if not _has_long_text(value):
        text: str = dumps(value)
        return text
    encoded = bytearray()
    for piece in _pieces(value):
        encoded += piece.encode()
    return encoded


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
                yield dumps(value[start : start + _PIECE])[1:-1]
            yield '"'
        case dict() if _has_long_text(value):
            yield "{"
            for number, (key, member) in enumerate(value.items()):
                yield f"{', ' if number else ''}{dumps(str(key))}: "
                yield from _pieces(member)
            yield "}"
        case _:
            yield dumps(value)


@worker_process_init.connect
def _write_in_pieces(**_: object) -> None:
    """In the processes that run jobs; whoever reads sees JSON like any other."""
    register("json", encode, None, "application/json")  # type: ignore[arg-type]  # its stub knows no bytes
