"""What is removed when nobody else does it, and what is not."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import docker
import pytest

from config import Settings, load_settings
from sandbox.image_choice import find_image
from sandbox.reaper import reap
from tests.waiting import wait_until

Leave = Callable[..., str]


@pytest.fixture
def owner() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def settings(owner: str) -> Settings:
    return load_settings(owner=owner, margin=0.5)


@pytest.fixture
def leave(engine: docker.APIClient, owner: str) -> Iterator[Leave]:
    """Leaves a container behind, as a worker does that dies."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    made: list[str] = []

    def container(*, start: bool, due_in_s: float = 60, whose: str = owner, cmd: str = "sleep 60") -> str:
        labels = {"cellblock.owner": whose, "cellblock.deadline": f"{time.time() + due_in_s:.0f}"}
        made.append(engine.create_container(image.id, ["sh", "-c", cmd], labels=labels)["Id"])
        if start:
            engine.start(made[-1])
        return made[-1]

    yield container
    for one in made:
        if _is_there(engine, one):
            engine.remove_container(one, force=True)


def _is_there(engine: docker.APIClient, container: str) -> bool:
    return any(found["Id"] == container for found in engine.containers(all=True))


def test_a_container_past_its_deadline_is_removed_though_it_runs(
    engine: docker.APIClient, settings: Settings, leave: Leave
) -> None:
    container = leave(start=True, due_in_s=-1)

    assert len(reap(engine, settings)) == 1
    assert not _is_there(engine, container)


def test_a_running_container_before_its_deadline_stays(
    engine: docker.APIClient, settings: Settings, leave: Leave
) -> None:
    container = leave(start=True)

    assert reap(engine, settings) == []
    assert _is_there(engine, container)


@pytest.mark.parametrize("start", [True, False])
def test_a_dead_container_is_removed_once_its_worker_has_had_its_time(
    engine: docker.APIClient, settings: Settings, leave: Leave, *, start: bool
) -> None:
    container = leave(start=start, cmd="true")

    wait_until(lambda: reap(engine, settings), 15, "the dead container is reaped")
    assert not _is_there(engine, container)


def test_another_deployments_container_is_never_touched(
    engine: docker.APIClient, settings: Settings, leave: Leave, owner: str
) -> None:
    container = leave(start=True, due_in_s=-1, whose=f"{owner}-other")

    assert reap(engine, settings) == []
    assert _is_there(engine, container)


def test_what_another_reaper_takes_away_meanwhile_is_no_error(
    engine: docker.APIClient, settings: Settings, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = leave(start=False, due_in_s=-1)
    seen = engine.containers(all=True, filters={"id": container})
    engine.remove_container(container)
    with monkeypatch.context() as late:
        late.setattr(engine, "containers", lambda **_: seen)
        assert len(reap(engine, settings)) == 1
