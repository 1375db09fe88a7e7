"""A worker's log: Celery's handlers and levels, with cellblock's own format."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.utils.log import get_multiprocessing_logger

from sandbox.log_lines import log_formatter
from tasks.observe.log_context import forget_job, job_facts, note_job
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__: list[str] = []

_log = logging.getLogger("cellblock")
_worker = ""


@signals.celeryd_init.connect
def _note_worker(sender: str, **_: object) -> None:
    """Called before Celery sets up its log, and before it warns on standard error about running as root."""
    global _worker  # noqa: PLW0603
    _worker = sender
    if this_settings().log_format == "json":
        logging.captureWarnings(True)  # noqa: FBT003
        # Celery replaces this handler later.
        logging.getLogger().addHandler(first := logging.StreamHandler())
        first.setFormatter(_formatter())


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def _dress(logger: logging.Logger, **_: object) -> None:
    of_billiard = get_multiprocessing_logger()
    for handler in (*logger.handlers, *(of_billiard.handlers if of_billiard else ())):
        handler.setFormatter(_formatter())


def _formatter() -> logging.Formatter:
    return log_formatter(this_settings().log_format, facts=job_facts, worker=_worker)


@signals.task_prerun.connect
def _begin(task_id: str, **_: object) -> None:
    forget_job()
    note_job(task=task_id)


@signals.task_success.connect
def _tell(result: Mapping[str, Any], **_: object) -> None:
    """Log one line for each job, from fields that can't contain its output."""
    facts = {name: result[name] for name in ("status", "exit_code", "warm", "attempt")}
    _log.info("The job has ended", extra=facts | {"seconds": result["timings"]["total"]})


@signals.task_postrun.connect
def _end(**_: object) -> None:
    forget_job()
