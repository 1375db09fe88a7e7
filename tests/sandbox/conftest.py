"""Fixtures for the tests of the sandbox: jobs, limits, and containers that a test leaves behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from config import load_catalogue, load_settings
from sandbox import Job, Limits, parse_job
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.docker.removal import remove_container
from sandbox.engines.engine import new_name
from tests.conftest import GONE_S
from tests.engine_checkpoint import engine_checkpoint
from tests.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from config import Settings
    from sandbox import Sandbox
    from tests.engine_checkpoint import Checkpoint


Leave = Callable[..., str]


class Parse(Protocol):
    """`parse_job` with its settings and its catalogue already given."""

    def __call__(self, cmd: object = "true", runtime: object = None, **request: object) -> Job:
        """Return the job that a request describes."""


def parser(settings: Settings) -> Parse:
    """`parse_job` with these settings and the built-in catalogue."""
    parse: Any = partial(parse_job, settings=settings, catalogue=load_catalogue())
    return lambda cmd="true", runtime=None, **request: parse(cmd, runtime, **request)


@pytest.fixture(scope="session")
def parse() -> Parse:
    """`parse_job` with the default settings."""
    return parser(load_settings())


@pytest.fixture
def limits() -> Limits:
    """Limits whose values are all different."""
    return Limits(
        timeout_s=10,
        grace_s=2,
        memory_bytes=64 << 20,
        cpus=1.5,
        pids=32,
        disk_bytes=8 << 20,
        output_bytes=1000,
        cpu_time_s=20,
        stack_bytes=4 << 20,
    )


@pytest.fixture
def checkpoint(engine: docker.APIClient) -> Iterator[Checkpoint]:
    """A proxy to the engine. It fails the calls that the test names."""
    del engine
    with engine_checkpoint() as door:
        yield door


@pytest.fixture
def leave(engine: docker.APIClient) -> Iterator[Leave]:
    """A function that creates a container and returns its name. After the test they are removed."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    made: list[str] = []

    def container(cmd: str = "true", volumes: tuple[str, ...] = (), *, start: bool = False) -> str:
        made.append(new_name())
        engine.create_container(image.id, ["sh", "-c", cmd], name=made[-1], volumes=list(volumes))
        if start:
            engine.start(made[-1])
        return made[-1]

    yield container
    for name in made:
        remove_container(engine, name, GONE_S)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the host engine creates the folders of jobs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(
    params=[
        *(pytest.param(name, marks=pytest.mark.engine, id=engine) for engine, name in ENGINES.items()),
        "host",
    ]
)
def anywhere(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox for each engine in turn."""
    engine: Sandbox = request.getfixturevalue(request.param)
    return engine
