"""The engine's clock, which is read only now and then."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.engines import clock as module
from sandbox.engines.clock import EngineClock
from sandbox.engines.docker.client import ask_the_time, connect
from tests.clock import Clock
from tests.engine_checkpoint import engine_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.engine_checkpoint import Checkpoint

PING = "GET /_ping"


@pytest.fixture
def asked(engine: docker.APIClient) -> Iterator[tuple[EngineClock, Checkpoint]]:
    del engine
    with (
        engine_checkpoint() as checkpoint,
        closing(connect(load_settings(docker_host=checkpoint.url))) as client,
    ):
        yield EngineClock(partial(ask_the_time, client)), checkpoint


def test_between_two_answers_it_goes_on_by_the_machines_own_clock(
    asked: tuple[EngineClock, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, checkpoint = asked
    machine = Clock()
    monkeypatch.setattr(module, "time", machine)
    first = clock.now()
    machine.now_s += 9.9
    assert clock.now() - first == pytest.approx(9.9)
    assert len(checkpoint.made(PING)) == 1
    machine.now_s += 0.1
    # The engine's real clock has hardly moved. The difference includes rounding to seconds.
    assert clock.now() - first == pytest.approx(0, abs=5)
    assert len(checkpoint.made(PING)) == 2
