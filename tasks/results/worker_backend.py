"""Stores a worker's results. It waits for Redis for as long as a result is kept, so that none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.backends.redis import RedisBackend, SentinelBackend
from celery.states import READY_STATES
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks._app import app
from tasks.patience import PatientRetry, patiently
from tasks.results.outcome import stored_here
from tasks.results.packing import CommandPacker
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

__all__ = ["PatientRedis", "PatientSentinel", "has_result", "redis_of", "result_redis", "store_patiently"]


class _Patient:
    """Celery's own backend. Each command waits for Redis by itself. Celery's own retries are off.

    Its clients are plain attributes. Celery's cached property has a lock for all instances. A process that is
    forked while a thread of its parent holds that lock would wait for it for ever.
    """

    connparams: dict[str, Any]
    client: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        super().__init__(*args, **options)
        self.always_retry = False
        #: A client of the same Redis that fails fast, for callers with a time limit of their own.
        self.brisk_client: Redis = self._open(_brisk(self.connparams))
        self.connparams |= {"retry": PatientRetry(), "retry_on_timeout": False}
        self.client = self._open({})

    def ensure(self, fun: Callable[..., object], args: tuple[object, ...], **_: object) -> object:
        """Called by Celery to retry a command. Run it once: it waits by itself."""
        return fun(*args)

    def store_result(self, task_id: str, result: object, state: str, *args: Any, **options: Any) -> object:  # noqa: ANN401
        """Called by Celery to store a state or a result. Do nothing if the job's attempt has stored it."""
        if stored_here.task_id == task_id:
            return result
        return super().store_result(task_id, result, state, *args, **options)  # type: ignore[misc]

    def _open(self, more: dict[str, Any]) -> Redis:
        """A client, which connects when it is first used."""
        options = self.connparams | more | {"command_packer": CommandPacker()}
        client: Redis = self._create_client(**options)  # type: ignore[attr-defined]
        return client


class PatientRedis(_Patient, RedisBackend):
    """For `redis://`, `rediss://` and `redis+socket://`."""


class PatientSentinel(_Patient, SentinelBackend):
    """For `sentinel://`."""


def result_redis() -> Redis | None:
    """The Redis that results go to. None if they go somewhere else: then there are no leases.

    In a worker this client fails within a fraction of the time that a lease lasts.
    """
    return redis_of(app.backend)


def redis_of(backend: Any) -> Redis | None:  # noqa: ANN401
    """The same, for a given result backend."""
    if not isinstance(backend, RedisBackend):
        return None
    client: Redis = backend.brisk_client if isinstance(backend, _Patient) else backend.client
    return client


def _brisk(connparams: dict[str, Any]) -> dict[str, Any]:
    """Options for the client that fails fast: three tries fit into the time that a lease lasts."""
    within_s = this_settings().lease_s / 5
    connect = {"socket_connect_timeout": within_s} if "socket_connect_timeout" in connparams else {}
    return {"socket_timeout": within_s, "retry_on_timeout": False, "retry": Retry(NoBackoff(), 0)} | connect


def store_patiently(**_: object) -> None:
    """Choose these backends for this worker. To be called before its backend is made."""
    patient = dict.fromkeys(("redis", "rediss"), f"{__name__}:{PatientRedis.__name__}")
    app.loader.override_backends = patient | {"sentinel": f"{__name__}:{PatientSentinel.__name__}"}


def has_result(backend: Any, request: Any) -> bool:  # noqa: ANN401  Celery's own
    """Whether the job of a request has its result. If so, its chord counts it, if it is part of one.

    The process that stored the result may have been killed before the chord counted the job. Counting it a
    second time has no effect.
    """
    meta = patiently(lambda: backend.get_task_meta(request.id, cache=False))
    if meta["status"] not in READY_STATES:
        return False
    if request.chord:
        patiently(lambda: backend.on_chord_part_return(request, meta["status"], meta["result"]))
    return True
