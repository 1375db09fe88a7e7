"""Fixtures for hostile programs and their cells, and the check that the worker survives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import Result, Sandbox, Status
from sandbox.egress.proxy import PROXY_IMAGE
from sandbox.engines.docker.create_call import container_config
from sandbox.engines.docker.image_choice import find_image
from tests.conftest import cells, unavailable
from tests.hostile.listed_hosts import listing_hosts, serving
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

Python = Callable[..., Result]


@pytest.fixture(scope="session")
def python(sandbox: Sandbox) -> Python:
    """Gives a function that runs a Python program in a cell."""

    def run(source: str, **request: object) -> Result:
        return sandbox.run(["python3", "-Wignore", "-c", source], "python", **request)

    return run


@pytest.fixture(scope="module", autouse=True)
def _worker_is_alive_afterwards(sandbox: Sandbox, engine: docker.APIClient) -> Iterator[None]:
    """Check after each module that an ordinary job succeeds and that no cell is left."""
    yield
    result = sandbox.run("echo alive", timeout=20)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "alive\n")
    sandbox.settle()
    wait_until(lambda: not cells(engine), 15, "the family's containers are gone")


@pytest.fixture
def leaky(engine: docker.APIClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Python]:
    """Gives a function that runs a Python program in a cell that does not hide its supervisor's memory."""

    def without_masks(**about: Any) -> dict[str, Any]:
        body = container_config(**about)
        body["HostConfig"]["MaskedPaths"] = []
        return body

    monkeypatch.setattr("sandbox.engines.docker.engine.container_config", without_masks)
    with Sandbox(load_settings(pull="never")) as leaking:
        yield lambda source, **request: leaking.run(["python3", "-c", source], "python", **request)


@pytest.fixture(scope="module")
def server(engine: docker.APIClient) -> Iterator[dict[str, str]]:
    """Gives the addresses of servers that jobs may list."""
    if find_image(engine, PROXY_IMAGE) is None:
        unavailable(f"There is no {PROXY_IMAGE}. Try: cellblock images build proxy")
    with serving(engine) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def listing(server: dict[str, str]) -> Iterator[Sandbox]:
    """Gives a sandbox whose proxies reach the servers at addresses that look public."""
    with listing_hosts(server, "public") as made:
        yield made
