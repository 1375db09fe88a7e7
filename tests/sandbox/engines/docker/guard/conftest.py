"""A guard that the tests share, with settings that allow a job all that a guard can let through."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from config import Settings, load_settings
from sandbox import Sandbox
from tests.sandbox.engines.docker.guard.guard import Guard, running_guard

#: For the guard and for the sandbox behind it.
ALLOWED = {"CELLBLOCK_NETWORK": "true", "CELLBLOCK_NETWORK_HOSTS": "*.example.com"}


@pytest.fixture(scope="session")
def guard(engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """Stands before the engine of this machine."""
    with running_guard(tmp_path_factory.mktemp("guard"), **ALLOWED) as running:
        yield running


@pytest.fixture(scope="session")
def guarded_settings(guard: Guard) -> Settings:
    return load_settings(
        docker_host=guard.url, pull="never", network=True, network_hosts=ALLOWED["CELLBLOCK_NETWORK_HOSTS"]
    )


@pytest.fixture(scope="session")
def guarded(sandbox: Sandbox, guarded_settings: Settings) -> Iterator[Sandbox]:
    """Cells that are made through the guard."""
    with Sandbox(guarded_settings) as behind:
        yield behind
