"""Jobs and their pieces, made under default settings with no engine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import docker.errors
import pytest

from config import load_catalogue, load_settings
from sandbox import Job, Limits, parse_job
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.engine import new_name
from tests.engine_checkpoint import engine_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from config import Settings
    from tests.engine_checkpoint import Checkpoint


Leave = Callable[..., str]


class Parse(Protocol):
    """`parse_job` under some settings."""

    def __call__(self, cmd: object = "true", runtime: object = None, **request: object) -> Job:
        """The job that a request describes."""


def parser(settings: Settings) -> Parse:
    """`parse_job` under `settings`."""
    parse: Any = partial(parse_job, settings=settings, catalogue=load_catalogue())
    return lambda cmd="true", runtime=None, **request: parse(cmd, runtime, **request)


@pytest.fixture(scope="session")
def parse() -> Parse:
    """`parse_job` under default settings."""
    return parser(load_settings())


@pytest.fixture
def limits() -> Limits:
    """Limits with a number of their own each."""
    return Limits(
        timeout_s=10,
        grace_s=2,
        memory_bytes=64 << 20,
        cpus=1.5,
        pids=32,
        disk_bytes=8 << 20,
        output_bytes=1000,
    )


@pytest.fixture
def checkpoint(engine: docker.APIClient) -> Iterator[Checkpoint]:
    """A door to the engine that fails the calls which a test names."""
    del engine
    with engine_checkpoint() as door:
        yield door


@pytest.fixture
def leave(engine: docker.APIClient) -> Iterator[Leave]:
    """Leaves a container behind, by its name."""
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
        with suppress(docker.errors.NotFound):
            engine.remove_container(name, force=True)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of jobs are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path
