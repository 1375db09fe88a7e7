"""Formats log lines, for people or as JSON, with what is known of the job that they are about."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["log_formatter"]

# The only extra fields that a line may have: so no payload or output gets into a log by mistake.
_EXTRA = ("status", "exit_code", "attempt", "warm", "seconds")
# The most characters of a line's message, and of its traceback.
_WORDS, _TRACEBACK = 4000, 16_000
_CONTROL = re.compile(r"[^\n\t -~\u00a0-\ud7ff\ue000-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
# What can't be taken for anything but the value of a field.
_PLAIN = re.compile(r"""[^\s='"]*""")
_GREEN, _YELLOW, _RED = 32, 33, 31
_COLOURS = {"WARNING": _YELLOW, "ERROR": _RED, "CRITICAL": _RED}


def log_formatter(
    log_format: str, *, facts: Callable[[], Mapping[str, str]] = dict, **bound: str
) -> logging.Formatter:
    """Formats the records of any logger as `console` or `json` lines.

    Every line has the fields that are `bound`, and those that `facts` gives at that moment.
    """
    return (_JsonLines if log_format == "json" else _ConsoleLines)(facts, bound)


class _Lines(logging.Formatter):
    """A formatter of this project's own: each job logs a line in two processes, which must cost little."""

    def __init__(self, facts: Callable[[], Mapping[str, str]], bound: Mapping[str, str]) -> None:
        super().__init__()
        self._facts, self._bound = facts, bound

    def _of_origin(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields that say whom the line is from, and which job it is about."""
        # Celery's main process names the task that a line is about.
        data = getattr(record, "data", None)
        task = {"task": data["id"]} if isinstance(data, dict) and "id" in data else {}
        extra = {name: getattr(record, name) for name in _EXTRA if hasattr(record, name)}
        return {"process": record.processName or "", **self._bound, **task, **self._facts(), **extra}

    def _traceback(self, record: logging.LogRecord) -> str:
        """The traceback, without values of variables, which may be what a job was given."""
        text = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        return _tamed(text, _TRACEBACK)


class _JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        fields = self._of_origin(record) | {
            "event": _tamed(record.getMessage(), _WORDS),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _time_of(record),
        }
        if traceback := self._traceback(record):
            fields["exception"] = traceback
        return json.dumps(fields, default=repr)


class _ConsoleLines(_Lines):
    def __init__(self, facts: Callable[[], Mapping[str, str]], bound: Mapping[str, str]) -> None:
        super().__init__(facts, bound)
        self._is_coloured = sys.stderr.isatty()

    def format(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name}={_value(value)}" for name, value in sorted(self._of_origin(record).items()))
        level = f"{record.levelname:9}"
        if self._is_coloured:
            level = f"\x1b[{_COLOURS.get(record.levelname, _GREEN)}m{level}\x1b[0m"
        message = _tamed(record.getMessage(), _WORDS)
        traceback = self._traceback(record)
        line = f"{_time_of(record)} [{level}] {message} [{record.name}] {about}"
        return f"{line}\n{traceback}" if traceback else line


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _value(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and _PLAIN.fullmatch(value):
        return value
    return repr(value)


def _tamed(text: str, most: int) -> str:
    """Cut and escape text from outside, so that it can neither fill the log nor control a terminal."""
    text = _cut(text, most)
    # Most lines need nothing. To see that takes a sixth of the time of the search.
    return text if text.isascii() and text.isprintable() else _CONTROL.sub(_escaped, text)


def _cut(text: str, most: int) -> str:
    """Keep the beginning, which says most in a sentence, and the end, which says most in a traceback."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}\n… {len(text) - most} characters …\n{text[-half:]}"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
