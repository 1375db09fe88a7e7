"""Whether this process belongs to a worker or to an app that sends jobs."""

from __future__ import annotations

from celery import signals

__all__ = ["is_worker"]

_is_worker = False


def is_worker() -> bool:
    """True in a worker and in the processes of its pool."""
    return _is_worker


@signals.celeryd_init.connect
def _note(**_: object) -> None:
    """Called before the pool is forked, so that its processes inherit the flag."""
    global _is_worker  # noqa: PLW0603
    _is_worker = True
