"""Formats text from outside for our own messages: short, on one line, and escaped."""

from __future__ import annotations

import re
import reprlib

__all__ = ["is_plain", "is_word", "named", "quoted"]

_MOST = 60
_WORD = re.compile(r"[A-Za-z0-9+#._-]{1,32}")

_short = reprlib.Repr()
_short.maxlevel = 2
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = 3
_short.maxstring = _short.maxother = _short.maxlong = _MOST


def quoted(value: object, most: int = _MOST) -> str:
    """`value` as Python writes it, cut to about `most` characters; what can't be printed is escaped."""
    cut = isinstance(value, str) and len(value) > most
    text = repr(value[:most]) if isinstance(value, str) else _repr(value)
    return f"{text[: most - 1]}…" if cut or len(text) > most + 2 else text


def named(text: str) -> str:
    """A name, such as a path: unchanged if it is short and printable, else `quoted`."""
    return text if is_plain(text, _MOST) else quoted(text)


def is_plain(text: object, most: int) -> bool:
    """Whether it is text of 1 to `most` characters, all of them printable, which is safe in any message."""
    return isinstance(text, str) and 0 < len(text) <= most and text.isprintable()


def is_word(value: object) -> bool:
    """Whether it is one word that could be the name of a runtime. A command seldom is."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _repr(value: object) -> str:
    try:
        return _short.repr(value)
    except (ValueError, ArithmeticError, RecursionError):
        # For example, an integer with too many digits to be written.
        return f"<{type(value).__name__}>"
