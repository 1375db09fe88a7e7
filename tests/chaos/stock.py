"""Cellblock's app with the Redis transport that comes with Celery, to measure what it loses: `celery -A`."""

from __future__ import annotations

from celery import signals

from tasks import app, worker

__all__ = ["app"]

signals.worker_init.disconnect(worker._take_messages_safely)
