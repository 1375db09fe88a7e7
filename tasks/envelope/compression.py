"""Compressed bodies, within bounds: a kilobyte may stand for gigabytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu import compression

from tasks.envelope.parts import Junk

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TooLarge", "bound_kombus", "decompress"]

# What lzma's highest level takes, twice.
_LZMA_BYTES = 128 << 20
_OPENERS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=_LZMA_BYTES),
}


class TooLarge(Exception):
    """There is more in it than is allowed."""


def decompress(body: bytes, method: object, most_bytes: int) -> bytes:
    """`body` as it was before somebody compressed it by `method`, one of kombu's; None: nobody has.

    Raises:
        Junk: by none that is known, or it is damaged.
        TooLarge: it takes more than `most_bytes`.
    """
    content = body if method in (None, "") else _open(body, method, most_bytes)
    if len(content) > most_bytes:
        raise TooLarge
    return content


def bound_kombus(most_bytes: int) -> None:
    """Have kombu decompress no more than that: it does so before anybody can judge what it brings."""
    for method in compression.encoders():
        vars(compression)["_decoders"][method] = partial(decompress, method=method, most_bytes=most_bytes)


def _open(body: bytes, method: object, most_bytes: int) -> bytes:
    opener = _OPENERS.get(_full_name(method))
    if opener is None:
        raise Junk("its body is compressed in a way that is not read. Try: task_compression = 'gzip'")
    inflator = opener()
    try:
        content: bytes = inflator.decompress(body, most_bytes + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        raise Junk("its body is compressed and damaged") from None
    if not inflator.eof and len(content) <= most_bytes:
        raise Junk("its body is compressed and damaged")
    return content


def _full_name(method: object) -> str:
    """Kombu knows each by several names."""
    aliases: dict[str, str] = vars(compression)["_aliases"]
    return aliases.get(method, method) if isinstance(method, str) else ""
