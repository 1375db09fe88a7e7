"""How the lines of a log look: for people, or as JSON; with what is known of the job that they are about."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict, Processor

__all__ = ["log_formatter"]

# What a line may carry besides its words, by name: a payload or an output can't come along by mistake.
_EXTRA = ("status", "exit_code", "attempt", "warm", "seconds")
# As much as a line says in words, and as much of a traceback, whatever they were made from.
_WORDS, _TRACEBACK = 4000, 16_000
_CONTROL = re.compile(r"[^\n\t -~\u00a0-\ud7ff\ue000-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def log_formatter(
    log_format: str, *, facts: Callable[[], Mapping[str, str]] = dict, **bound: str
) -> logging.Formatter:
    """Formats the records of any logger as `console` or `json` lines.

    Every line says what is `bound`, and what `facts` tells at that moment.
    """
    chain: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=_EXTRA),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _facts_of(facts, bound),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
    )


def _facts_of(facts: Callable[[], Mapping[str, str]], bound: Mapping[str, str]) -> Processor:
    def add(_: object, __: str, event: Any) -> EventDict:  # noqa: ANN401  structlog's own
        record: logging.LogRecord = event["_record"]
        # Celery's main process says of which task it speaks.
        data = getattr(record, "data", None)
        known = {"task": data["id"]} if isinstance(data, dict) and "id" in data else {}
        return {"process": record.processName or "", **bound, **known, **facts(), **event}

    return add


def _renderers(log_format: str) -> list[Processor]:
    # The richer ways to show an exception show local variables too, and so what a job was given.
    common: list[Processor] = [structlog.processors.format_exc_info, _bounded]
    if log_format == "json":
        return [*common, structlog.processors.JSONRenderer()]
    colors = sys.stderr.isatty()
    styles = structlog.dev.ConsoleRenderer.get_default_level_styles(colors)
    console = structlog.dev.ConsoleRenderer(
        colors=colors,
        pad_event_to=0,
        level_styles={level.upper(): style for level, style in styles.items()},
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [*common, _shout, console]


def _bounded(_: object, __: str, event: Any) -> EventDict:  # noqa: ANN401
    """What came from outside, by whatever way, neither fills the log nor steers who reads it."""
    tamed = {
        name: _CONTROL.sub(_escaped, _cut(str(event[name]), most))
        for name, most in (("event", _WORDS), ("exception", _TRACEBACK))
        if event.get(name)
    }
    return {**event, **tamed}


def _cut(text: str, most: int) -> str:
    """The end says most in a traceback, and the beginning in a sentence."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}\n… {len(text) - most} characters …\n{text[-half:]}"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def _shout(_: object, __: str, event: Any) -> EventDict:  # noqa: ANN401
    """The level as Celery and the standard library write it."""
    return {**event, "level": event["level"].upper()}
