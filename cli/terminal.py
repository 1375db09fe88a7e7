"""Makes untrusted text safe to show on a terminal: text of a job, of a message, or from Redis.

Escape sequences can set titles, write to the clipboard and forge what the operator reads. Newlines in a name,
marks that change the direction of writing, and invisible characters can forge text as well.
"""

from __future__ import annotations

import codecs
import json
import re
import reprlib

__all__ = ["StreamText", "json_text", "printable"]

_MOST = 4000
# Letters and marks that are invisible, although Unicode calls them printable.
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
# All characters that may need an escape: everything but printable ASCII.
_SUSPECT = re.compile(r"[^\x20-\x7e]")
_UNSEEN_ONE = re.compile(f"[{_UNSEEN}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: object, most: int = _MOST) -> str:
    r"""`text` on one line, in at most about `most` characters, with nothing that controls a terminal.

    Control characters and invisible ones are shown as escapes: `\n`, `\x1b`, `\u202e`.
    """
    whole = reprlib.repr(text) if isinstance(text, dict | list | tuple) else str(text)
    shown = _SUSPECT.sub(_escaped, whole[:most])
    return f"{shown}…" if len(whole) > most else shown


def json_text(data: object, *, indent: int | None = None) -> str:
    """`data` as JSON that can't control a terminal. Parsed again, it is the same data."""
    return _LINES_ASIDE.sub(_json_escaped, json.dumps(data, indent=indent, ensure_ascii=False))


class StreamText:
    """A stream of bytes as lines of text. What controls a terminal is shown as an escape."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The text of the next bytes. An incomplete character waits for the rest, unless `final`."""
        return _BUT_LINES.sub(_escaped, self._decoder.decode(data, final).replace("\r\n", "\n"))


_LINES_ASIDE = re.compile(r"[^\x20-\x7e\n]")
# A tab only moves the cursor forward.
_BUT_LINES = re.compile(r"[^\x20-\x7e\n\t]")


def _is_shown(character: str) -> bool:
    return character.isprintable() and not _UNSEEN_ONE.match(character)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if _is_shown(character):
        return character
    return _SHORT.get(character) or character.encode("unicode_escape", "backslashreplace").decode()


def _json_escaped(match: re.Match[str]) -> str:
    character = match[0]
    return character if _is_shown(character) else json.dumps(character)[1:-1]
