"""Refuses those of Celery's pools that can't run jobs as cellblock promises."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals

from config import InvalidSetting
from tasks._app import app

__all__ = ["check_pool"]

_log = logging.getLogger("cellblock")

_SHOWN = 40
_PREFORK = "celery.concurrency.prefork"
_THREADS = "celery.concurrency.thread"
_NAMED = {"prefork": _PREFORK, "processes": _PREFORK, "threads": _THREADS}


def check_pool(asked: object, *, autoscale: bool) -> None:
    """Refuse a pool, given as a name or a class, that can't run jobs as cellblock promises.

    Raises:
        InvalidSetting: the pool is refused. The message says which one to use instead.
    """
    module = _NAMED.get(asked) if isinstance(asked, str) else getattr(asked, "__module__", None)
    if module not in (_PREFORK, _THREADS):
        name = asked if isinstance(asked, str) else str(module).rpartition(".")[2]
        raise InvalidSetting(
            f"The pool {name[:_SHOWN]!r} cannot keep a job's time limits, and loses jobs when the worker"
            " is stopped. Try: --pool=prefork"
        )
    if module == _THREADS and autoscale:
        raise InvalidSetting(
            "The pool 'threads' cannot grow and shrink. Try: --concurrency, or --pool=prefork"
        )


@signals.celeryd_init.connect
def _refuse(options: dict[str, Any], **_: object) -> None:
    """Called before anything is started, also if `celery worker` starts it."""
    asked = options.get("pool_cls") or options.get("pool") or app.conf.worker_pool
    try:
        check_pool(asked, autoscale=bool(options.get("autoscale")))
    except InvalidSetting as error:
        # Celery logs any other exception of a receiver and continues.
        raise SystemExit(f"cellblock: {error}") from None


@signals.celeryd_after_setup.connect
def _warn(instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    if instance.pool_cls.__module__ == _THREADS:
        _log.warning(
            "The pool 'threads' keeps no soft and hard time limits: a job that hangs has its thread until the"
            " worker is killed, also after CELLBLOCK_DRAIN. Each cell's own deadline still holds."
            " Try: --pool=prefork"
        )
