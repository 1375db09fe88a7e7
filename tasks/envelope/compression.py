"""Decompresses bodies up to a limit, because a kilobyte can expand to gigabytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu import compression

from config import format_bytes
from tasks.envelope.parts import Junk

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bound_kombus", "decompress"]

# Twice the memory that lzma's highest level needs.
_LZMA_BYTES = 128 << 20
_OPENERS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=_LZMA_BYTES),
}


def decompress(body: bytes, method: object, most_bytes: int) -> bytes:
    """`body`, decompressed by kombu's `method`. None: it is not compressed.

    Raises:
        Junk: the method is unknown, the body is damaged, or the result is larger than `most_bytes`.
    """
    content = body if method in (None, "") else _open(body, method, most_bytes)
    if len(content) > most_bytes:
        raise Junk(f"its body is larger than {format_bytes(most_bytes)}")
    return content


def bound_kombus(most_bytes: int) -> None:
    """Make kombu decompress at most `most_bytes`: it decompresses a body before we can judge it."""
    for method in compression.encoders():
        vars(compression)["_decoders"][method] = partial(decompress, method=method, most_bytes=most_bytes)


def _open(body: bytes, method: object, most_bytes: int) -> bytes:
    # Kombu has several names for each method.
    aliases: dict[str, str] = vars(compression)["_aliases"]
    opener = _OPENERS.get(aliases.get(method, method)) if isinstance(method, str) else None
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
