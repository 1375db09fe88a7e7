"""Celery's configuration, derived from the settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from config.address import Kind

if TYPE_CHECKING:
    from config.settings import Settings

__all__ = ["celery_config"]

# One list in Redis for each queue and each of these, where 0 is served first. Stock publishers know 0, 3, 6
# and 9, and put a message of any other priority into the next list before it.
_PRIORITIES = list(range(10))

# Room for a message to wait between its delivery to a worker and its start there.
_DELIVERY_ROOM_S = 60.0


def celery_config(settings: Settings) -> dict[str, Any]:
    """What Celery is told, in its own names and units (seconds)."""
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
        # Nothing but JSON is read: pickle would let whoever reaches the broker run code in the worker.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        # A job leaves nothing behind, so that running it again is safe: it is acknowledged when it is done.
        "task_acks_late": True,
        "task_retry_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # Else jobs wait in a worker that is busy, where none of a higher priority can overtake them.
        "worker_disable_prefetch": broker.is_redis,
        "worker_autoscaler": "tasks.autoscaler:Autoscaler",
        # Judges what a broker of another kind delivers, as the channel does for Redis.
        "worker_consumer": "tasks.delivery.consumer:Consumer",
        # For a message whose limits cannot be read; every other one gets its own.
        "task_soft_time_limit": longest.soft_s,
        "task_time_limit": longest.hard_s,
        "worker_send_task_events": True,
        "worker_hijack_root_logger": True,
        # For as long as it takes: a worker that was not told to stop does not give up on its broker.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # What Redis answers when it is full or a replica is no reason to end either.
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            # A message that takes longer is delivered again while its job still runs.
            "visibility_timeout": longest.hard_s + _DELIVERY_ROOM_S,
            "priority_steps": _PRIORITIES,
            **(_REDIS_TIMEOUTS if broker.kind is Kind.SOCKET else _REDIS_TIMEOUTS | _REDIS_TCP),
            **broker.sentinel_options(**_SENTINEL_TIMEOUTS),
        },
        # Of an app that asks for a result; a worker waits for as long as it takes (tasks/results.py).
        "result_backend_always_retry": True,
        "result_backend_max_sleep_between_retries_ms": 1000,
        "result_backend_max_retries": math.ceil(4 * settings.margin),
        "result_backend_transport_options": {
            "retry_policy": _patience(4 * settings.margin),
            **backend.sentinel_options(**_SENTINEL_TIMEOUTS),
        },
        # Shorter than a rung: whoever stores a result finds out that Redis is silent before a limit strikes.
        "redis_socket_timeout": settings.margin / 2,
        "redis_socket_connect_timeout": min(5.0, settings.margin / 2),
        **({} if backend.kind is Kind.SOCKET else {"redis_socket_keepalive": True}),
        "redis_backend_health_check_interval": 25.0,
        "redis_retry_on_timeout": True,
    }


def _patience(within_s: float) -> dict[str, float]:
    """Celery's own policy has two bounds, and gives up at the first that is reached."""
    steps = {"interval_start": 0.05, "interval_step": 0.2, "interval_max": 1.0}
    return {"timeout": within_s, "max_retries": 10 * math.ceil(within_s), **steps}


# Both libraries wait for ever by default.
_REDIS_TIMEOUTS = {"socket_timeout": 30.0, "health_check_interval": 25.0, "retry_on_timeout": True}
_SENTINEL_TIMEOUTS = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}
_REDIS_TCP = {"socket_connect_timeout": 5.0, "socket_keepalive": True}
