"""Formats log lines, for people or as JSON, with what is known of the job that they are about."""

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

# The only extra fields that a line may have: so no payload or output gets into a log by mistake.
_EXTRA = ("status", "exit_code", "attempt", "warm", "seconds")
# The most characters of a line's message, and of its traceback.
_WORDS, _TRACEBACK = 4000, 16_000
_CONTROL = re.compile(r"[^\n\t -~\u00a0-\ud7ff\ue000-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def log_formatter(
    log_format: str, *, facts: Callable[[], Mapping[str, str]] = dict, **bound: str
) -> logging.Formatter:
    """Formats the records of any logger as `console` or `json` lines.

    Every line has the fields that are `bound`, and those that `facts` gives at that moment.
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
        # Celery's main process names the task that a line is about.
        data = getattr(record, "data", None)
        known = {"task": data["id"]} if isinstance(data, dict) and "id" in data else {}
        return {"process": record.processName or "", **bound, **known, **facts(), **event}

    return add


def _renderers(log_format: str) -> list[Processor]:
    # structlog's richer tracebacks show local variables too, and so what a job was given.
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
    """Cut and escape text from outside, so that it can neither fill the log nor control a terminal."""
    tamed = {
        name: _CONTROL.sub(_escaped, _cut(str(event[name]), most))
        for name, most in (("event", _WORDS), ("exception", _TRACEBACK))
        if event.get(name)
    }
    return {**event, **tamed}


def _cut(text: str, most: int) -> str:
    """Keep the beginning, which says most in a sentence, and the end, which says most in a traceback."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}\n… {len(text) - most} characters …\n{text[-half:]}"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def _shout(_: object, __: str, event: Any) -> EventDict:  # noqa: ANN401
    """The level as Celery and the standard library write it."""
    return {**event, "level": event["level"].upper()}
