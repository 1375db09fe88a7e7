"""Celery's configuration, derived from the settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from config.address import Kind

if TYPE_CHECKING:
    from config.settings import Settings

__all__ = ["celery_config"]

# Redis has one list for each queue and each of these priorities. 0 is served first. Stock publishers know
# only 0, 3, 6 and 9. They put a message of any other priority into the list of the next lower number.
_PRIORITIES = list(range(10))

# Time for a message to wait between its delivery to a worker and its start there.
_DELIVERY_ROOM_S = 60.0


def celery_config(settings: Settings) -> dict[str, Any]:
    """Celery's configuration, in its own names and units (seconds)."""
    broker, backend = settings.broker, settings.results
    longest = settings.longest
    queues = settings.queues.split(",")
    return {
        "broker_url": broker.celery_url,
        "result_backend": backend.celery_url,
        **({"broker_use_ssl": broker.tls.options()} if broker.tls and broker.is_redis else {}),
        **({"redis_backend_use_ssl": backend.tls.options()} if backend.tls else {}),
        "result_expires": settings.result_expires,
        "task_default_queue": queues[0],
        "task_queues": {name: {"exchange": name, "routing_key": name} for name in queues},
        # Only JSON is read: with pickle, anyone who reaches the broker could run code in the worker.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        # A job leaves nothing behind, so it is safe to run it again. It is acknowledged when it is done.
        "task_acks_late": True,
        "task_retry_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # Otherwise jobs wait in a busy worker, where a job of a higher priority can't overtake them.
        "worker_disable_prefetch": broker.is_redis,
        "worker_autoscaler": "tasks.pool.autoscaler:Autoscaler",
        # Judges the messages of any other broker, as the channel does for Redis.
        "worker_consumer": "tasks.delivery.judged_consumer:Consumer",
        # For a message whose limits cannot be read. Every other message gets its own limits.
        "task_soft_time_limit": longest.soft_s,
        "task_time_limit": longest.hard_s,
        "worker_send_task_events": True,
        "worker_hijack_root_logger": True,
        # Without end: a worker that was not told to stop does not give up on its broker.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # The worker does not end either when Redis reports that it is full or a replica.
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            # A message whose job takes longer would be delivered again while that job still runs.
            "visibility_timeout": longest.hard_s + _DELIVERY_ROOM_S,
            "priority_steps": _PRIORITIES,
            **(_REDIS_TIMEOUTS if broker.kind is Kind.SOCKET else _REDIS_TIMEOUTS | _REDIS_TCP),
            **broker.sentinel_options(**_SENTINEL_TIMEOUTS),
        },
        # For an app that asks for a result. A worker waits much longer (tasks/results/worker_backend.py).
        "result_backend_always_retry": True,
        "result_backend_max_sleep_between_retries_ms": 1000,
        "result_backend_max_retries": math.ceil(4 * settings.silence),
        "result_backend_transport_options": {
            "retry_policy": _patience(4 * settings.silence),
            **backend.sentinel_options(**_SENTINEL_TIMEOUTS),
        },
        # A process that stores a result notices a silent Redis before the next limit acts.
        "redis_socket_timeout": settings.engine_margin / 2,
        "redis_socket_connect_timeout": min(5.0, settings.engine_margin / 2),
        **({} if backend.kind is Kind.SOCKET else {"redis_socket_keepalive": True}),
        "redis_backend_health_check_interval": 25.0,
        "redis_retry_on_timeout": True,
    }


def _patience(within_s: float) -> dict[str, float]:
    """A retry policy for Celery, which has two bounds and gives up at the one that it reaches first."""
    steps = {"interval_start": 0.05, "interval_step": 0.2, "interval_max": 1.0}
    return {"timeout": within_s, "max_retries": 10 * math.ceil(within_s), **steps}


# By default, kombu and redis-py wait for ever.
_REDIS_TIMEOUTS = {"socket_timeout": 30.0, "health_check_interval": 25.0, "retry_on_timeout": True}
_SENTINEL_TIMEOUTS = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}
_REDIS_TCP = {"socket_connect_timeout": 5.0, "socket_keepalive": True}
