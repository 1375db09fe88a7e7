"""A deployment that the tests of a module share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import docker
import pytest
from celery import Celery

from tests.conftest import unavailable
from tests.deploy.compose import Deployment, compose_program, running_deployment


@pytest.fixture(scope="module")
def deployment(engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Gives the services of compose.yaml, started as its first lines say."""
    program = compose_program()
    if program is None:
        unavailable("There is no docker-compose. Try: apt-get install docker-compose")
        return
    with running_deployment(program, tmp_path_factory.mktemp("deployment"), engine) as running:
        yield running


@pytest.fixture(scope="module")
def app(deployment: Deployment, client_of: Callable[[str], Celery]) -> Celery:
    """Gives an app on this host that knows only Redis's address and the task's name."""
    return client_of(deployment.broker_url)
