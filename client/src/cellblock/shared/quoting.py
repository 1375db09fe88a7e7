# Made by `python docs/generate.py` from config/quoting.py. Change it there.
"""Formats text from outside for our own messages: short, on one line, and escaped."""

from __future__ import annotations

import reprlib

__all__ = ["quoted"]

_MOST = 60

_short = reprlib.Repr()
_short.maxlevel = 2
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = 3
_short.maxstring = _short.maxother = _short.maxlong = _MOST


def quoted(value: object, most: int = _MOST) -> str:
    """`value` as Python writes it, cut to about `most` characters; what can't be printed is escaped."""
    cut = isinstance(value, str) and len(value) > most
    text = repr(value[:most]) if isinstance(value, str) else _repr(value)
    return f"{text[: most - 1]}…" if cut or len(text) > most + 2 else text


def _repr(value: object) -> str:
    try:
        return _short.repr(value)
    except (ValueError, ArithmeticError, RecursionError):
        # For example, an integer with too many digits to be written.
        return f"<{type(value).__name__}>"
