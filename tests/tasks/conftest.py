"""Jobs sent by name, as an app sends them that has nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
import redis
from celery import Celery

from tasks import app
from tasks.process import ProcessState, process_state
from tasks.results.worker_backend import PatientRedis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery.result import AsyncResult

TASK = "cellblock.run_sandboxed"
ANSWER_S = 40.0


class Send(Protocol):
    """`delay` of a task that is known by its name alone."""

    def __call__(self, *args: object, **kwargs: object) -> AsyncResult[Any]:
        """The handle of a job that has been sent."""


@pytest.fixture
def database(broker_url: str) -> Iterator[redis.Redis]:
    """A test's own part of Redis, for keys that it writes itself: they are gone with it."""
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client
        client.flushdb()


@pytest.fixture
def send(byname: Celery) -> Send:
    """Sends to the session's worker."""
    return lambda *args, **kwargs: byname.send_task(TASK, args, kwargs)


@pytest.fixture
def ask(send: Send) -> Callable[..., dict[str, Any]]:
    """Sends to the session's worker and waits for what comes back."""

    def answer(*args: object, **kwargs: object) -> dict[str, Any]:
        result: dict[str, Any] = send(*args, **kwargs).get(timeout=ANSWER_S)
        return result

    return answer


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> ProcessState:
    """The state of this process, as it is when a process starts; afterwards it is what it was before."""
    monkeypatch.setattr(process_state, "__dict__", vars(ProcessState()))
    return process_state


@pytest.fixture
def results(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The result backend that a worker has, here and in every thread, on a database of the test's own."""
    backend: Any = PatientRedis(app=app, url=broker_url)
    monkeypatch.setattr(Celery, "backend", backend)
    yield backend
    backend.client.flushdb()
    for client in (backend.client, backend.brisk_client):
        client.connection_pool.disconnect()
        client.close()
