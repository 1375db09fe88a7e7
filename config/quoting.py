"""How text that came from outside stands in a message of ours: short, on one line, nothing raw."""

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
    """A name, such as a path, as it is where it can stand anywhere; else `quoted`."""
    return text if is_plain(text, _MOST) else quoted(text)


def is_plain(text: object, most: int) -> bool:
    """Whether it is text of 1 to `most` characters, all of them printable, so that it can stand anywhere."""
    return isinstance(text, str) and 0 < len(text) <= most and text.isprintable()


def is_word(value: object) -> bool:
    """Whether it could be the name of a runtime, of one sort or another; a command seldom could."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _repr(value: object) -> str:
    try:
        return _short.repr(value)
    except (ValueError, ArithmeticError, RecursionError):
        # Such as an integer of too many digits to be written.
        return f"<{type(value).__name__}>"
