"""The removal of one container, from the first attempt to the last."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import docker.errors
import pytest
import requests

from config import load_settings
from sandbox import EngineFailed, EngineUnreachable
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.removal import remove_container, remove_until_gone
from sandbox.remover import remove_cell
from tests.clock import Clock
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.engine_checkpoint import Checkpoint
    from tests.sandbox.conftest import Leave

REMOVE = "DELETE /containers/[^/]+"


@pytest.fixture
def client(checkpoint: Checkpoint) -> Iterator[docker.APIClient]:
    with closing(connect(load_settings(docker_host=checkpoint.url, engine_margin=5 * PATIENCE))) as client:
        yield client


def is_there(engine: docker.APIClient, name: str) -> bool:
    return bool(engine.containers(all=True, filters={"name": name}))


def refusal(code: int) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = code
    kind = docker.errors.NotFound if code == 404 else docker.errors.APIError
    return kind("refused", response=response, explanation="busy")


def removal(*answers: int) -> tuple[Callable[[], None], list[int]]:
    """A removal that gets these answers in turn and repeats the last one; and the answers given so far."""
    told: list[int] = []

    def remove() -> None:
        told.append(answers[min(len(told), len(answers) - 1)])
        if told[-1] != 204:
            raise refusal(told[-1])

    return remove, told


@pytest.mark.parametrize("answers", [(204,), (404,), (409, 500, 204), (409, 404)])
def test_a_removal_is_tried_until_it_is_done_or_there_is_nothing_left_to_do(answers: tuple[int, ...]) -> None:
    remove, told = removal(*answers)
    remove_until_gone(remove, "one", bound_s=10)
    assert tuple(told) == answers


def test_an_engine_that_refuses_is_asked_again_for_as_long_as_it_may_need_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("sandbox.engines.docker.removal.time", clock)
    remove, told = removal(500)
    with pytest.raises(EngineFailed, match=r"could not remove one: busy\."):
        remove_until_gone(remove, "one", bound_s=0.32)
    assert sum(clock.slept_s) == pytest.approx(0.35)
    assert len(told) == 8


def test_an_engine_that_is_away_is_not_asked_again() -> None:
    remove, told = removal(503)
    with pytest.raises(docker.errors.APIError):
        remove_until_gone(remove, "one", bound_s=10)
    assert told == [503]


def test_a_container_goes_though_it_runs_and_its_volumes_with_it(
    engine: docker.APIClient, leave: Leave
) -> None:
    name = leave("sleep 600", ("/data",), start=True)
    (mount,) = engine.inspect_container(name)["Mounts"]
    remove_container(engine, name, 10)
    assert not is_there(engine, name)
    with pytest.raises(docker.errors.NotFound):
        engine.inspect_volume(mount["Name"])


def test_what_an_engine_says_of_a_removal_comes_as_our_own_error(
    client: docker.APIClient, checkpoint: Checkpoint
) -> None:
    checkpoint.hang_up_on(REMOVE)
    with pytest.raises(EngineUnreachable, match="could not be asked to remove a cell"):
        remove_container(client, "nobody", 10)


def test_a_cell_whose_process_cannot_is_removed_by_another(engine: docker.APIClient, leave: Leave) -> None:
    name = leave("sleep 600", start=True)
    remove_cell(load_settings(), name)
    assert not is_there(engine, name)


def test_a_cell_that_the_engine_keeps_is_given_up_after_a_margin(checkpoint: Checkpoint) -> None:
    checkpoint.refuse(REMOVE, 500)
    began = time.monotonic()
    with pytest.raises(EngineFailed):
        remove_cell(load_settings(docker_host=checkpoint.url, engine_margin=1), "nobody")
    assert 1 < time.monotonic() - began < 5 * PATIENCE
