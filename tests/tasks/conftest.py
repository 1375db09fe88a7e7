"""Fixtures that send jobs by the name of the task, as an app without cellblock does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
import redis
from celery import Celery

from tasks import app
from tasks.process import ProcessState, process_state
from tasks.results.outcome import stored_here
from tasks.results.worker_backend import PatientRedis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery.result import AsyncResult

TASK = "cellblock.run_sandboxed"
ANSWER_S = 40.0


class Send(Protocol):
    """Sends a job by the name of the task, with the arguments of `delay`."""

    def __call__(self, *args: object, **kwargs: object) -> AsyncResult[Any]:
        """Send a job, and return its handle."""


@pytest.fixture(autouse=True)
def _nothing_stored_here() -> Iterator[None]:
    """Forget which job's result this process has stored: tests of many modules use the same id."""
    yield
    stored_here.task_id = None


@pytest.fixture
def database(broker_url: str) -> Iterator[redis.Redis]:
    """A client of the test's own database in Redis. The database is emptied after the test."""
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client
        client.flushdb()


@pytest.fixture
def send(byname: Celery) -> Send:
    """A function that sends a job to the session's worker and returns its handle."""
    return lambda *args, **kwargs: byname.send_task(TASK, args, kwargs)


@pytest.fixture
def ask(send: Send) -> Callable[..., dict[str, Any]]:
    """A function that sends a job to the session's worker and returns its result."""

    def answer(*args: object, **kwargs: object) -> dict[str, Any]:
        result: dict[str, Any] = send(*args, **kwargs).get(timeout=ANSWER_S)
        return result

    return answer


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> ProcessState:
    """The state of this process, as new. After the test it is again what it was before."""
    monkeypatch.setattr(process_state, "__dict__", vars(ProcessState()))
    return process_state


@pytest.fixture
def results(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A worker's result backend on the test's own database. Every thread of the test uses it."""
    backend: Any = PatientRedis(app=app, url=broker_url)
    monkeypatch.setattr(Celery, "backend", backend)
    yield backend
    backend.client.flushdb()
    for client in (backend.client, backend.brisk_client):
        client.connection_pool.disconnect()
        client.close()
