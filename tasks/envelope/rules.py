"""The rules for fields of a message. Each takes any value that JSON can have, and never raises."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from celery.utils.time import maybe_iso8601, maybe_make_aware

from config.quoting import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ID",
    "NAME",
    "is_count",
    "is_flag",
    "is_moment",
    "is_number",
    "is_object",
    "is_text",
    "is_texts",
    "is_time",
    "is_time_limits",
    "or_none",
]

_TEXT_CHARACTERS = 1024
_TIME_CHARACTERS = 64
# Far more than anybody retries. As an exponent of two in a back-off, it still gives a finite float.
_MOST_TIMES = 1000
# As a Unix time, this is in the year 5138.
_MOST_SECONDS = 1e11


#: The rules for the id of a task and for its name.
ID = NAME = partial(is_plain, most=255)


def or_none(rule: Callable[[object], bool]) -> Callable[[object], bool]:
    """The rule for a value that may be missing."""
    return lambda value: value is None or rule(value)


def is_text(value: object) -> bool:
    """Printable text, which may be empty."""
    return value == "" or is_plain(value, _TEXT_CHARACTERS)


def is_texts(value: object) -> bool:
    """A short list of printable texts."""
    return isinstance(value, list) and len(value) <= _MOST_TIMES and all(map(is_text, value))


def is_count(value: object) -> bool:
    """A small whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TIMES


def is_flag(value: object) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_object(value: object) -> bool:
    """A JSON object."""
    return isinstance(value, dict)


def is_number(value: object) -> bool:
    """A number of seconds, or a moment in Unix seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_MOST_SECONDS <= value <= _MOST_SECONDS


def is_time(value: object) -> bool:
    """Empty, or a date and time in ISO 8601 that is near enough to be compared with others."""
    if value == "":
        return True
    if not isinstance(value, str) or len(value) > _TIME_CHARACTERS:
        return False
    try:
        moment = maybe_iso8601(value)
        return moment is not None and 0 <= maybe_make_aware(moment).timestamp() <= _MOST_SECONDS
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        return False


def is_moment(value: object) -> bool:
    """A time in ISO 8601, or a number of seconds."""
    return is_time(value) or is_number(value)


def is_time_limits(value: object) -> bool:
    """A list of the hard and the soft limit, each a number or None."""
    return isinstance(value, list) and len(value) == 2 and all(map(or_none(is_number), value))
