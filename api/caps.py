"""What the jobs of one token may use, where that is less than the operator's maxima."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from config.quoting import quoted
from sandbox import InvalidJob
from sandbox.limits import RULES, read_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox import Limits
    from sandbox.limits import Rule

__all__ = ["Caps", "parse_caps"]

_STREAMS = "streams"
_DEFAULT_STREAMS = 256
_RULES = {rule.name: rule for rule in RULES}
_WHOLE = {"pids"}
_SIZES = {rule.name for rule in RULES if rule.unit == "bytes"}


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a job may ask for, by the names of its limits, in their units.

    `streams` is how many streams and waits the tenant may have open at a time.
    """

    most: Mapping[str, float] = field(default_factory=dict)
    streams: int = _DEFAULT_STREAMS

    def lower(self, request: Mapping[str, Any], resolved: Limits) -> dict[str, Any]:
        """A valid request with its limits kept to these. `resolved` are the limits that it has without them.

        A limit that the request does not name is lowered.

        Raises:
            InvalidJob: the job, or one of its runs, names a limit that is above the most.
        """
        lowered = dict(request)
        for name, most in self.most.items():
            for one in (request, *(request.get("runs") or ())):
                _check(_RULES[name], one.get(name), most)
            value = getattr(resolved, _RULES[name].field)
            if value is None or value > most:
                lowered[name] = most
        return lowered


def _check(rule: Rule, asked: object, most: float) -> None:
    if asked is not None and (value := read_limit(rule, asked)) > most:
        raise InvalidJob(
            f"{rule.name}={rule.show(value)} is above the {rule.show(most)} that this token allows."
        )


def parse_caps(words: Sequence[str]) -> Caps:
    """The caps in words such as `timeout=10`, `memory=256m` and `streams=20`.

    Raises:
        ValueError: a word is malformed.
    """
    most: dict[str, float] = {}
    streams = _DEFAULT_STREAMS
    for word in words:
        name, equals, value = word.partition("=")
        if name == _STREAMS:
            streams = _count(value)
        elif equals and name in _RULES and name not in most:
            most[name] = _limit(name, value)
        else:
            raise ValueError(f"{quoted(word)} is no limit. There are: {', '.join([*_RULES, _STREAMS])}")
    return Caps(most, streams)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:7]) <= 100_000:
        raise ValueError(f"{_STREAMS}: give a whole number from 1 to 100000")
    return int(text)


def _limit(name: str, text: str) -> float:
    try:
        value: object = text if name in _SIZES else int(text) if name in _WHOLE else float(text)
        return read_limit(_RULES[name], value)
    except ValueError:
        raise ValueError(f"{name}: {quoted(text)} is not a number") from None
    except InvalidJob as error:
        raise ValueError(str(error).rstrip(".")) from None
