"""Jobs and their pieces, made under default settings with no engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from config import load_catalogue, load_settings
from sandbox import Job, Limits, parse_job

if TYPE_CHECKING:
    from config import Settings


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
