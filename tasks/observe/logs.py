"""A worker's log: Celery's handlers with cellblock's own format, and the lines of a start and of each job."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.app.trace import LOG_SUCCESS
from celery.utils.log import get_multiprocessing_logger

from sandbox.budget import overcommitments, this_host
from sandbox.log_lines import log_formatter
from tasks.observe.late_lines import LateLines
from tasks.observe.log_context import job_facts
from tasks.process import process_state
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config import Settings

__all__ = [
    "format_first_lines",
    "format_lines",
    "leave_out_celerys_end",
    "log_isolation",
    "log_overcommitments",
    "log_result",
    "log_unfairness",
]

_log = logging.getLogger("cellblock")


def format_first_lines() -> None:
    """Have what is logged before Celery sets up its log be JSON too, if the operator wants JSON."""
    if this_settings().log_format == "json":
        logging.captureWarnings(True)  # noqa: FBT003
        # Celery replaces this handler later.
        logging.getLogger().addHandler(first := logging.StreamHandler())
        first.setFormatter(_formatter())


def format_lines(logger: logging.Logger, **_: object) -> None:
    """Give the handlers of `logger`, and those of billiard, cellblock's format with the worker's name."""
    of_billiard = get_multiprocessing_logger()
    for handler in (*logger.handlers, *(of_billiard.handlers if of_billiard else ())):
        handler.setFormatter(_formatter())
    for handler in logger.handlers:
        handler.addFilter(LateLines(handler))


def _formatter() -> logging.Formatter:
    return log_formatter(this_settings().log_format, facts=job_facts, worker=process_state.worker_name)


def log_isolation(settings: Settings) -> None:
    """Say whether commands run in containers or on this host. Sets the log level of these lines first."""
    _log.setLevel(settings.log_level)
    if settings.engine_name == "oci":
        _log.info("Isolation: ENABLED (Secure), with %s and no daemon", settings.oci_runtime or "crun")
        _log.info("Execution context: container (isolated, read-only FS, no networking, ids of its own)")
    elif settings.isolates:
        _log.info("Docker isolation: ENABLED (Secure)")
        _log.info("Execution context: Docker container (isolated, read-only FS, no networking)")
    else:
        _log.warning("Docker isolation: DISABLED (ENABLE_DOCKER=false): commands run on this host")
        _log.warning("Execution context: this host, with the worker's own rights")


def log_overcommitments(settings: Settings) -> None:
    """Warn of each resource of this host of which the jobs together may use more than there is."""
    for sentence in overcommitments(settings, this_host()):
        _log.warning("More is promised to jobs than there is: %s", sentence)


def log_unfairness() -> None:
    """Warn that the broker can't share the workers among tenants, or bound its queues."""
    _log.warning(
        "CELLBLOCK_TENANT_WEIGHTS, CELLBLOCK_TENANT_MAX_RUNNING, CELLBLOCK_TENANT_MAX_QUEUED and"
        " CELLBLOCK_MAX_QUEUED have no effect: only with Redis as the broker are tenants served in turn, and"
        " queues bounded. Try: a policy of the broker's own, such as max-length"
    )


def leave_out_celerys_end(**_: object) -> None:
    """Drop Celery's own line for each task that succeeded. It costs as much as ours, and says less."""
    logging.getLogger("celery.app.trace").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != LOG_SUCCESS


def log_result(result: Mapping[str, Any], **_: object) -> None:
    """Log one line for each job, from fields that can't contain its output."""
    facts = {name: result[name] for name in ("status", "exit_code", "warm", "attempt")}
    _log.info("The job has ended", extra=facts | {"seconds": result["timings"]["total"]})
