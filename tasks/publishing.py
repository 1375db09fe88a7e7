"""Sends a job, or raises within a bounded time an error that says why it can't be sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from celery.utils import uuid
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers
from redis.exceptions import RedisError

from sandbox.errors import BrokerUnreachable
from tasks.delivery.bounds import bounded_transport
from tasks.patience import may_wait
from tasks.process import process_state
from tasks.redis_errors import broker_sentence, passes
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

__all__ = ["publish"]

_Sent = TypeVar("_Sent")

_ERRORS = (OperationalError, RedisError, OSError)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5


def publish(app: Celery, send: Callable[..., _Sent], options: dict[str, Any]) -> _Sent:
    """Publish one message with `send(**options)`, and return what that returns.

    It is sent again while that may help, with the same task id. So a job runs once, even if the broker's
    answer to the first try was lost.

    Raises:
        BrokerUnreachable: the message could not be sent within `CELLBLOCK_PUBLISH_TIMEOUT` seconds.
    """
    if app.conf.task_always_eager:
        # Celery uses only the serializer of this producer, which is the default one. It does not connect.
        return send(
            **({"producer": app.amqp.Producer(app.connection_for_write(), auto_declare=False)} | options)
        )
    if may_wait() and this_settings().broker.is_redis:
        # A pool process sends the next task of a chain. Its connection waits for Redis, as for a result.
        return send(**options)
    options = {"task_id": uuid(), "retry": False} | options
    for left_s in _tries(_bound_s()):
        try:
            return _send(app, send, options)
        except _ERRORS as error:
            if left_s <= 0 or not passes(error):
                raise BrokerUnreachable(broker_sentence(error)) from error
        except LimitExceeded as error:
            raise BrokerUnreachable(
                f"{app.conf.broker_pool_limit} threads of this process publish already, and none is done."
                " Try: raise broker_pool_limit, or see why Redis is slow."
            ) from error
    raise AssertionError("the last try returns or raises")


def _send(app: Celery, send: Callable[..., _Sent], options: dict[str, Any]) -> _Sent:
    if options.get("producer") or options.get("connection") or options.get("publisher"):
        return send(**options)
    bound_s = _bound_s()
    connection = app.connection_for_write(
        connect_timeout=bound_s, transport_options=_impatient(bound_s), transport=bounded_transport()
    )
    with producers[connection].acquire(block=True, timeout=bound_s) as producer:
        return send(**(options | {"producer": producer}))


def _bound_s() -> float:
    """The seconds for one message. A worker that retries a job over RabbitMQ may take longer than an app."""
    settings = this_settings()
    return 4 * settings.silence if process_state.is_worker else settings.publish_timeout


def _impatient(bound_s: float) -> dict[str, Any]:
    """Transport options: no network operation takes longer than `bound_s`, and kombu repeats none."""
    once: dict[str, Any] = {"max_retries": 0, "retry_on_timeout": False}
    return once | {"socket_timeout": bound_s, "socket_connect_timeout": bound_s}


def _tries(within_s: float) -> Iterator[float]:
    """Yield the seconds left at each try, and 0 for the last. Sleep between the tries."""
    end, pause_s = time.monotonic() + within_s, _FIRST_PAUSE_S
    while (left_s := end - time.monotonic() - pause_s) > 0:
        yield left_s
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    yield 0.0
