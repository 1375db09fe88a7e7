"""The fixtures `worker` and `byname` for folders in which no engine has a part in what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from tests.programs import Worker

__all__ = ["byname", "worker"]


@pytest.fixture(scope="session")
def worker(quick_worker: Worker) -> Worker:
    """Gives the session's worker. No engine has a part in what is shown there, so it is the quick one."""
    return quick_worker


@pytest.fixture(scope="session")
def byname(worker: Worker, client_of: Callable[[str], Celery]) -> Celery:
    """Gives an app that knows this worker's task only by its name."""
    return client_of(worker.broker_url)
