"""Fixtures for the API: a real one on a real worker, with two tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.running import Api, Caller, running_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

    from tests.programs import Worker

ALICE, BOB = "alices-token-0123456789", "bobs-token-0123456789"
TOKENS = f"""
# token, tenant, limits
{ALICE} alice
{BOB}, bob timeout=2 memory=64m streams=2
"""


@pytest.fixture(scope="session")
def worker(quick_worker: Worker) -> Worker:
    """Gives the session's worker. No engine has a part in what is shown here, so it is the quick one."""
    return quick_worker


@pytest.fixture(scope="session")
def byname(worker: Worker, client_of: Callable[[str], Celery]) -> Celery:
    """Gives an app that knows this worker's task only by its name."""
    return client_of(worker.broker_url)


@pytest.fixture(scope="session")
def api(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Gives an API on the session's worker."""
    with running_api(tmp_path_factory.mktemp("api"), worker.broker_url, TOKENS) as running:
        yield running


@pytest.fixture
def alice(api: Api) -> Caller:
    """Gives a caller without limits of its own."""
    return api.caller(ALICE)


@pytest.fixture
def bob(api: Api) -> Caller:
    """Gives a caller of another tenant, with limits."""
    return api.caller(BOB)


@pytest.fixture
def stranger(api: Api) -> Caller:
    """Gives a caller without a token."""
    return api.caller(None)
