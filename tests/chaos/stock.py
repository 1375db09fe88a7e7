"""Cellblock's app with the Redis transport that comes with Celery, to measure what it loses: `celery -A`."""

from __future__ import annotations

from celery import signals

from tasks import app, lifecycle

__all__ = ["app"]

signals.worker_init.disconnect(lifecycle.take_messages_safely)
