"""Fixtures for the client: on a real worker, and with nothing listening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cellblock import Cellblock, task
from tests.any_engine import byname, worker
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Worker

__all__ = ["byname", "worker"]


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
