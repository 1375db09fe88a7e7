"""How a worker stores results: it waits for Redis for as long as a result is kept, and loses none."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery.backends.redis import RedisBackend, SentinelBackend
from celery.signals import worker_init
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks._app import app
from tasks.patience import PatientRetry
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

__all__ = ["PatientRedis", "PatientSentinel", "redis_of", "result_redis"]


class _Patient:
    """Celery's own backend with patience in each command, and none left around it."""

    connparams: dict[str, Any]

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        super().__init__(*args, **options)
        self.always_retry = False
        self._brisk = self.connparams | _brisk(self.connparams)
        self.connparams |= {"retry": PatientRetry(), "retry_on_timeout": False}

    def ensure(self, fun: Callable[..., object], args: tuple[object, ...], **_: object) -> object:
        """Called by Celery around each command."""
        return fun(*args)

    @cached_property
    def brisk_client(self) -> Redis:
        """A client of the same Redis that says at once when it is away, for what has a time of its own."""
        client: Redis = self._create_client(**self._brisk)  # type: ignore[attr-defined]
        return client


class PatientRedis(_Patient, RedisBackend):
    """For `redis://`, `rediss://` and `redis+socket://`."""


class PatientSentinel(_Patient, SentinelBackend):
    """For `sentinel://`."""


def result_redis() -> Redis | None:
    """The Redis that results go to; None where they go somewhere else, and leases are not to be had.

    In a worker its errors come within a fraction of a lease's time.
    """
    return redis_of(app.backend)


def redis_of(backend: Any) -> Redis | None:  # noqa: ANN401
    """The same, of one result backend."""
    if not isinstance(backend, RedisBackend):
        return None
    client: Redis = backend.brisk_client if isinstance(backend, _Patient) else backend.client
    return client


def _brisk(connparams: dict[str, Any]) -> dict[str, Any]:
    """Three tries fit into the time that a lease lasts."""
    within_s = this_settings().lease_s / 5
    connect = {"socket_connect_timeout": within_s} if "socket_connect_timeout" in connparams else {}
    return {"socket_timeout": within_s, "retry_on_timeout": False, "retry": Retry(NoBackoff(), 0)} | connect


@worker_init.connect
def _store_patiently(**_: object) -> None:
    """Before the worker's backend is made. An app that asks for a result has a bound of its own."""
    patient = dict.fromkeys(("redis", "rediss"), f"{__name__}:{PatientRedis.__name__}")
    app.loader.override_backends = patient | {"sentinel": f"{__name__}:{PatientSentinel.__name__}"}
