"""Fixtures for the API: a real one on a real worker, with two tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.any_engine import byname, worker
from tests.api.running import Api, Caller, running_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Worker

__all__ = ["byname", "worker"]

ALICE, BOB = "alices-token-0123456789", "bobs-token-0123456789"
TOKENS = f"""
# token, tenant, limits
{ALICE} alice
{BOB}, bob timeout=2 memory=64m streams=2
"""


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
