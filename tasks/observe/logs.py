"""A worker's log: Celery's handlers and levels, with cellblock's own format."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.utils.log import get_multiprocessing_logger

from sandbox.log_lines import log_formatter
from tasks.observe.log_context import forget_job, job_facts, note_job
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["begin_job", "format_first_lines", "format_lines", "log_result"]

_log = logging.getLogger("cellblock")


def format_first_lines(worker: str) -> None:
    """Have what `worker` logs before Celery sets up its log be JSON too, if the operator wants JSON."""
    if this_settings().log_format == "json":
        logging.captureWarnings(True)  # noqa: FBT003
        # Celery replaces this handler later.
        logging.getLogger().addHandler(first := logging.StreamHandler())
        first.setFormatter(_formatter(worker))


def format_lines(logger: logging.Logger, worker: str) -> None:
    """Give the handlers of `logger`, and those of billiard, cellblock's format with the worker's name."""
    of_billiard = get_multiprocessing_logger()
    for handler in (*logger.handlers, *(of_billiard.handlers if of_billiard else ())):
        handler.setFormatter(_formatter(worker))


def _formatter(worker: str) -> logging.Formatter:
    return log_formatter(this_settings().log_format, facts=job_facts, worker=worker)


def begin_job(task_id: str) -> None:
    """Have the lines of this thread from now on name this task alone."""
    forget_job()
    note_job(task=task_id)


def log_result(result: Mapping[str, Any]) -> None:
    """Log one line for each job, from fields that can't contain its output."""
    facts = {name: result[name] for name in ("status", "exit_code", "warm", "attempt")}
    _log.info("The job has ended", extra=facts | {"seconds": result["timings"]["total"]})
