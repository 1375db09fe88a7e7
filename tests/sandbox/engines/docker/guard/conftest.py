"""A guard that the tests share. Its settings allow all the network access that a guard can allow."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from config import Settings, load_settings
from sandbox import Sandbox
from tests.sandbox.engines.docker.guard.guard import Guard, running_guard

#: The settings of the guard and of the sandbox that uses it.
ALLOWED = {"CELLBLOCK_NETWORK": "true", "CELLBLOCK_NETWORK_HOSTS": "*.example.com"}


@pytest.fixture(scope="session")
def guard(engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A running guard in front of this machine's engine."""
    with running_guard(tmp_path_factory.mktemp("guard"), **ALLOWED) as running:
        yield running


@pytest.fixture(scope="session")
def guarded_settings(guard: Guard) -> Settings:
    return load_settings(
        docker_host=guard.url, pull="never", network=True, network_hosts=ALLOWED["CELLBLOCK_NETWORK_HOSTS"]
    )


@pytest.fixture(scope="session")
def guarded(sandbox: Sandbox, guarded_settings: Settings) -> Iterator[Sandbox]:
    """A sandbox that reaches the engine through the guard."""
    with Sandbox(guarded_settings) as behind:
        yield behind
