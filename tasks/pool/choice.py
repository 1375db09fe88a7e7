"""Refuses those of Celery's pools that can't run jobs as cellblock promises."""

from __future__ import annotations

import logging
from typing import Any

from config import InvalidSetting
from tasks._app import app

__all__ = ["check_pool", "refuse_pool", "warn_of_threads"]

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


def refuse_pool(options: dict[str, Any], **_: object) -> None:
    """Refuse, as `check_pool` does, the pool in the options of a worker, or else in Celery's configuration.

    Raises:
        InvalidSetting: the pool is refused.
    """
    asked = options.get("pool_cls") or options.get("pool") or app.conf.worker_pool
    check_pool(asked, autoscale=bool(options.get("autoscale")))


def warn_of_threads(instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Log what the operator gives up with the pool `threads`, if the worker has that one."""
    if instance.pool_cls.__module__ == _THREADS:
        _log.warning(
            "The pool 'threads' keeps no soft and hard time limits: a job that hangs has its thread until the"
            " worker is killed, also after CELLBLOCK_DRAIN. Each cell's own deadline still holds."
            " Try: --pool=prefork"
        )
