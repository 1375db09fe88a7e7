"""Fixtures for hostile programs and their cells, and the check that the worker survives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Result, Sandbox, Status
from sandbox.egress.proxy import PROXY_IMAGE
from sandbox.engines.docker.image_choice import find_image
from sandbox.profile import Profile
from tests.conftest import unavailable
from tests.engines import cells_of
from tests.hostile.listed_hosts import listing_hosts, serving
from tests.oci_store import shared_store
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

Python = Callable[..., Result]


@pytest.fixture(scope="module")
def sandbox(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Sandbox]:
    """Gives a sandbox. After the module's tests on it, an ordinary job must succeed, and no cell be left."""
    if sandbox.settings.engine_name == "oci":
        shared_store(request.getfixturevalue("engine"), ["cpp"])
    yield sandbox
    _is_alive(sandbox)


@pytest.fixture(scope="module")
def python(sandbox: Sandbox) -> Python:
    """Gives a function that runs a Python program in a cell."""

    def run(source: str, **request: object) -> Result:
        return sandbox.run(["python3", "-Wignore", "-c", source], "python", **request)

    return run


def _is_alive(sandbox: Sandbox) -> None:
    """Check that an ordinary job succeeds and that no cell is left."""
    result = sandbox.run("echo alive", timeout=20)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "alive\n")
    sandbox.settle()
    wait_until(lambda: not cells_of(sandbox.settings), 15, "the family's cells are gone")


@pytest.fixture
def leaky(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Python]:
    """Gives a function that runs a Python program in a cell that does not hide its supervisor's memory."""
    defaults: Any = Profile.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "masked_paths", ())
    with Sandbox(sandbox.settings) as leaking:
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
        _is_alive(made)
