"""Fixtures for the MCP server: sessions of the SDK's own client, on a real worker."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.api.mcp.talking import HttpServer, Session, running_http, session_over_http, session_over_stdio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from tests.programs import Worker

    Open = Callable[[], AbstractAsyncContextManager[Session]]

ALICE, BOB = "alices-token-0123456789", "bobs-token-0123456789"
TOKENS = f"{ALICE} alice\n{BOB} bob timeout=2 memory=64m\n"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Gives the event loop of the tests that are coroutines."""
    return "asyncio"


@pytest.fixture(scope="session")
def server(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """Gives a server over HTTP on the session's worker, with two tenants."""
    # Many tests leave a session open.
    many = {"CELLBLOCK_MCP_SESSIONS": "1000"}
    with running_http(tmp_path_factory.mktemp("mcp"), worker.broker_url, TOKENS, **many) as running:
        yield running


@pytest.fixture
async def session(worker: Worker) -> AsyncIterator[Session]:
    """Gives a session over stdio."""
    async with session_over_stdio(worker.broker_url) as opened:
        yield opened


@pytest.fixture
async def hasty(worker: Worker) -> AsyncIterator[Session]:
    """Gives a session over stdio, whose calls are answered after three seconds at most."""
    async with session_over_stdio(worker.broker_url, CELLBLOCK_MCP_ANSWER="3") as opened:
        yield opened


@pytest.fixture(scope="module")
async def idle(worker: Worker) -> AsyncIterator[Session]:
    """Gives a session over stdio that tests of a module share, because none of them changes it."""
    async with session_over_stdio(worker.broker_url) as opened:
        yield opened


@pytest.fixture(scope="module")
async def patient(worker: Worker) -> AsyncIterator[Session]:
    """Gives a session over stdio that waits as long as usual. Tests of a module share it."""
    async with session_over_stdio(worker.broker_url) as opened:
        yield opened


@pytest.fixture(params=["stdio, sessionless", "stdio, handshake", "http"])
def opened(request: pytest.FixtureRequest, worker: Worker, server: HttpServer) -> Open:
    """Gives a function that opens a session, over each transport in turn."""

    @asynccontextmanager
    async def over_stdio(mode: str) -> AsyncIterator[Session]:
        async with session_over_stdio(worker.broker_url, mode=mode) as session:
            yield session

    return {
        "stdio, sessionless": lambda: over_stdio("auto"),
        "stdio, handshake": lambda: over_stdio("legacy"),
        "http": lambda: session_over_http(server.url, ALICE),
    }[request.param]
