"""Fixtures for the client: on a real worker, and with nothing listening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cellblock import Cellblock, task
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

    from tests.programs import Worker


@pytest.fixture(scope="session")
def worker(quick_worker: Worker) -> Worker:
    """Gives the session's worker. No engine has a part in what is shown here, so it is the quick one."""
    return quick_worker


@pytest.fixture(scope="session")
def byname(worker: Worker, client_of: Callable[[str], Celery]) -> Celery:
    """Gives an app that knows this worker's task only by its name."""
    return client_of(worker.broker_url)


@pytest.fixture
def cells(worker: Worker) -> Cellblock:
    """A client of the session's worker."""
    return Cellblock(worker.broker_url)


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.fixture
def fresh_task() -> Iterator[None]:
    """`run_sandboxed` reads the environment again, now and after the test."""
    task._cellblock.cache_clear()
    yield
    task._cellblock.cache_clear()
