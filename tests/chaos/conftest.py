"""Fixtures that start workers for a test to kill, and a proxy in front of the engine."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import redis

from config import load_settings
from sandbox.engines.docker.client import docker_address
from tests.chaos.proxy import StallingProxy
from tests.chaos.workers import ChaosWorker
from tests.conftest import remove_cells, unavailable
from tests.tasks.conftest import TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker
    from celery import Celery
    from celery.result import AsyncResult

_START_S = 40.0


class Hire(Protocol):
    """Starts a worker with this name and these settings."""

    def __call__(self, name: str, **settings: str) -> ChaosWorker:
        """Returns the worker once it is ready."""


class Send(Protocol):
    """Sends a job by the task's name, like `delay`."""

    def __call__(self, *args: object, **kwargs: object) -> AsyncResult[Any]:
        """Returns the handle of the sent job."""


@pytest.fixture
def send(broker_url: str, client_of: Callable[[str], Celery]) -> Send:
    """Gives a function that sends a job to the workers of this test."""
    client = client_of(broker_url)
    return lambda *args, **kwargs: client.send_task(TASK, args, kwargs)


@contextmanager
def hiring(engine: docker.APIClient, folder: Path, concurrency: int, **shared: str) -> Iterator[Hire]:
    """Gives a function that starts workers. At the end it stops them and removes their cells."""
    workers: list[ChaosWorker] = []

    def start(name: str, **settings: str) -> ChaosWorker:
        options = (f"--concurrency={concurrency}",)
        worker = ChaosWorker(name, shared | settings, folder / f"{name}.log", options)
        workers.append(worker)
        worker.start()
        wait_until(lambda: worker.is_ready, _START_S, f"the worker {name} is ready")
        return worker

    yield start
    for worker in workers:
        worker.stop()
    remove_cells(engine)


@pytest.fixture
def hire(broker_url: str, tmp_path: Path, engine: docker.APIClient) -> Iterator[Hire]:
    """Gives a function that starts workers on a database of this test."""
    with hiring(engine, tmp_path, concurrency=1, CELLBLOCK_BROKER_URL=broker_url) as start:
        yield start


@pytest.fixture
def link() -> Iterator[StallingProxy]:
    """Gives a proxy in front of the real engine, for a worker to use as its engine."""
    address = docker_address(load_settings())
    if not address.startswith("unix://"):
        unavailable("The engine is not on a Unix socket.")
    # Not in pytest's own folder: its path is too long for a socket.
    with (
        tempfile.TemporaryDirectory(prefix="cb-link-") as folder,
        StallingProxy(Path(address.removeprefix("unix://")), Path(folder, "s")) as proxy,
    ):
        yield proxy


@pytest.fixture
def unfinished(broker_url: str) -> Iterator[None]:
    """Empties the database after a test that leaves an unfinished job."""
    yield
    with redis.Redis.from_url(broker_url) as database:
        database.flushdb()


@pytest.fixture
def root() -> None:
    """Skips the test unless it runs as root."""
    if os.geteuid() != 0:
        unavailable("Only root can do this.")
