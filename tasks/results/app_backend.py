"""Celery's Redis result backends, which tell an app within a bounded time that Redis is away.

The app may ask again later: it need not be restarted.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from sandbox.errors import BrokerUnreachable
from tasks.process import process_state
from tasks.redis_errors import explain_redis
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RedisBackend", "SentinelBackend"]

# Looked up by name, because Celery's type stubs declare too little of it.
_stock: Any = import_module("celery.backends.redis")

_ERRORS = (RedisError, OSError)


def _unreachable(error: BaseException) -> BrokerUnreachable:
    settings = this_settings()
    variable = "CELLBLOCK_RESULT_BACKEND" if settings.result_backend else "CELLBLOCK_BROKER_URL"
    return BrokerUnreachable(explain_redis(error, settings.results, variable))


class _ResultConsumer(_stock.ResultConsumer):  # type: ignore[misc]
    @contextmanager
    def reconnect_on_error(self) -> Iterator[None]:
        """Reconnect. Where Celery gives up and says to restart the application, raise `BrokerUnreachable`."""
        try:
            with super().reconnect_on_error():
                yield
        except RuntimeError as error:
            if not isinstance(error.__cause__, _ERRORS):
                raise
            raise _unreachable(error.__cause__) from error


class _Prompt:
    """Bounds how long an app waits for Redis. In a worker, Celery's settings decide how long to retry."""

    ResultConsumer = _ResultConsumer
    _bound = threading.local()

    def on_task_call(self, producer: Any, task_id: str) -> None:  # noqa: ANN401
        """Do nothing: sending a job needs only the broker. A caller subscribes when it waits for a result."""

    def add_pending_result(self, result: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Subscribe to a result."""
        with self._within(this_settings().publish_timeout):
            return super().add_pending_result(result, *args, **options)  # type: ignore[misc]

    def wait_for_pending(self, result: Any, timeout: float | None = None, **options: Any) -> Any:  # noqa: ANN401
        """Wait for a result."""
        with self._within(timeout):
            return super().wait_for_pending(result, timeout=timeout, **options)  # type: ignore[misc]

    def get_task_meta(self, task_id: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """What is stored of a task."""
        if process_state.is_worker:
            return super().get_task_meta(task_id, *args, **options)  # type: ignore[misc]
        self.always_retry = False
        try:
            return super().get_task_meta(task_id, *args, **options)  # type: ignore[misc]
        except _ERRORS as error:
            raise _unreachable(error) from error

    def ensure(self, fun: Any, args: Any, **policy: Any) -> Any:  # noqa: ANN401
        """Repeat `fun` while it fails, but no longer than the caller's timeout."""
        most_s = getattr(self._bound, "seconds", None)
        if most_s is not None and not process_state.is_worker:
            usual_s = self.retry_policy.get("timeout") or most_s  # type: ignore[attr-defined]
            policy = {"timeout": min(most_s, usual_s)} | policy
        return super().ensure(fun, args, **policy)  # type: ignore[misc]

    @contextmanager
    def _within(self, seconds: float | None) -> Iterator[None]:
        before, self._bound.seconds = getattr(self._bound, "seconds", None), seconds
        try:
            yield
        finally:
            self._bound.seconds = before


class RedisBackend(_Prompt, _stock.RedisBackend):  # type: ignore[misc]
    """Results in a Redis."""


class SentinelBackend(_Prompt, _stock.SentinelBackend):  # type: ignore[misc]
    """Results in a Redis whose address Sentinels give."""
