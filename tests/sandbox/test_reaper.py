"""What is removed when nobody else does it, and what is not."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import docker
import pytest

from config import Settings, load_settings
from sandbox.image_choice import find_image
from sandbox.process_mark import is_gone, this_process
from sandbox.reaper import reap
from tests.waiting import PATIENCE, wait_until

Leave = Callable[..., str]


@pytest.fixture
def owner() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def settings(owner: str) -> Settings:
    return load_settings(owner=owner, margin=0.5 * PATIENCE)


@pytest.fixture
def leave(engine: docker.APIClient, owner: str) -> Iterator[Leave]:
    """Leaves a container behind, as a worker does that dies."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    made: list[str] = []

    def container(
        *, start: bool, due_in_s: float = 60, whose: str = owner, cmd: str = "sleep 60", **more: str
    ) -> str:
        labels = {"cellblock.owner": whose, "cellblock.deadline": f"{time.time() + due_in_s:.0f}"}
        labels |= {f"cellblock.{key}": value for key, value in more.items()}
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


@pytest.fixture
def gone() -> str:
    """The mark of a process that has ended."""
    code = "from sandbox.process_mark import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_a_process_made_that_is_gone_goes_at_once(
    engine: docker.APIClient, settings: Settings, leave: Leave, gone: str
) -> None:
    lasting = settings.model_copy(update={"margin": 60})
    leave(start=False, process=gone)
    leave(start=True, process=gone, state="job")
    claimed = leave(start=True, process=gone, state="warm")

    assert len(reap(engine, lasting)) == 2
    assert _is_there(engine, claimed)


def test_what_a_living_process_made_is_left_to_it_until_it_leaves(
    engine: docker.APIClient, settings: Settings, leave: Leave
) -> None:
    lasting = settings.model_copy(update={"margin": 60})
    mine = leave(start=False, process=this_process(), state="job")

    assert reap(engine, lasting) == []
    assert len(reap(engine, lasting, leaving=True)) == 1
    assert not _is_there(engine, mine)


@pytest.mark.parametrize("mark", ["", "elsewhere/1/2", "nonsense"])
def test_a_process_of_another_machine_may_live(mark: str) -> None:
    assert not is_gone(mark)


@pytest.mark.parametrize(("due_in_s", "left"), [(-1, False), (60, True)])
def test_a_jobs_network_is_removed_past_its_deadline_and_not_before(
    engine: docker.APIClient, settings: Settings, owner: str, *, due_in_s: float, left: bool
) -> None:
    name = f"cellblock-{secrets.token_hex(6)}"
    labels = {"cellblock.owner": owner, "cellblock.deadline": f"{time.time() + due_in_s:.0f}"}
    engine.create_network(name, internal=True, labels=labels)
    try:
        assert reap(engine, settings) == ([] if left else [name])
        assert bool(engine.networks(names=[name])) is left
    finally:
        if engine.networks(names=[name]):
            engine.remove_network(name)
