"""The containers that a reaper removes, and those that it leaves."""

from __future__ import annotations

import logging
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import docker
import pytest

from config import Settings, load_settings
from sandbox import EngineUnreachable
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.docker.removal import remove_container
from sandbox.process_mark import is_gone, this_process
from sandbox.reaper import due, reap
from tests.conftest import GONE_S
from tests.engine_checkpoint import Checkpoint
from tests.sandbox.measured import measuring
from tests.waiting import PATIENCE, wait_until

Leave = Callable[..., str]


@pytest.fixture
def owner() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def settings(owner: str) -> Settings:
    return load_settings(owner=owner, engine_margin=0.5 * PATIENCE)


@pytest.fixture
def leave(engine: docker.APIClient, owner: str) -> Iterator[Leave]:
    """A function that creates a container like one that a dead worker left, and returns its id."""
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
        remove_container(engine, one, GONE_S)


def reaped(settings: Settings, url: str | None = None, *, leaving: bool = False) -> list[str]:
    """Reap with these settings, and return the names of the removed containers."""
    with closing(_patient_engine(settings, url)) as own:
        return reap(own, settings, leaving=leaving)


def found_due(settings: Settings, url: str | None = None) -> list[str]:
    """The names of the containers that a reaper with these settings would remove."""
    with closing(_patient_engine(settings, url)) as own:
        return due(own, settings)


def _patient_engine(settings: Settings, url: str | None) -> DockerEngine:
    """An engine whose margin for a call is longer than the short margin of the reaper."""
    return DockerEngine(settings.model_copy(update={"docker_host": url, "engine_margin": 5 * PATIENCE}))


def _is_there(engine: docker.APIClient, container: str) -> bool:
    return any(found["Id"] == container for found in engine.containers(all=True))


def test_a_container_past_its_deadline_is_removed_though_it_runs(
    engine: docker.APIClient, settings: Settings, leave: Leave
) -> None:
    container = leave(start=True, due_in_s=-1)

    assert len(reaped(settings)) == 1
    assert not _is_there(engine, container)


def test_a_running_container_before_its_deadline_stays(
    engine: docker.APIClient, settings: Settings, leave: Leave
) -> None:
    container = leave(start=True)

    assert reaped(settings) == []
    assert _is_there(engine, container)


@pytest.mark.parametrize("start", [True, False])
def test_a_dead_container_is_removed_once_its_worker_has_had_its_time(
    engine: docker.APIClient, settings: Settings, leave: Leave, *, start: bool
) -> None:
    container = leave(start=start, cmd="true")

    wait_until(lambda: reaped(settings), 15, "the dead container is reaped")
    assert not _is_there(engine, container)


def test_another_deployments_container_is_never_touched(
    engine: docker.APIClient, settings: Settings, leave: Leave, owner: str
) -> None:
    container = leave(start=True, due_in_s=-1, whose=f"{owner}-other")

    assert reaped(settings) == []
    assert _is_there(engine, container)


def test_what_another_reaper_takes_away_meanwhile_is_no_error(
    engine: docker.APIClient, settings: Settings, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = leave(start=False, due_in_s=-1)
    with closing(DockerEngine(settings)) as own:
        seen = own.list()
    engine.remove_container(container)
    with monkeypatch.context() as late:
        late.setattr(DockerEngine, "list", lambda _: seen)
        assert len(reaped(settings)) == 1


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
    lasting = settings.model_copy(update={"engine_margin": 60})
    leave(start=False, process=gone)
    leave(start=True, process=gone, state="job")
    claimed = leave(start=True, process=gone, state="warm")

    assert len(reaped(lasting)) == 2
    assert _is_there(engine, claimed)


def test_what_a_living_process_made_is_left_to_it_until_it_leaves(
    engine: docker.APIClient, settings: Settings, leave: Leave
) -> None:
    lasting = settings.model_copy(update={"engine_margin": 60})
    mine = leave(start=False, process=this_process(), state="job")

    assert reaped(lasting) == []
    assert len(reaped(lasting, leaving=True)) == 1
    assert not _is_there(engine, mine)


@pytest.mark.parametrize("mark", ["", "elsewhere/1/2", "nonsense"])
def test_a_process_of_another_machine_may_live(mark: str) -> None:
    assert not is_gone(mark)


@pytest.fixture
def lasting(settings: Settings) -> Settings:
    """Settings with a margin so long that it never passes during a test."""
    return settings.model_copy(update={"engine_margin": 60})


@pytest.mark.parametrize("deadline", ["soon", "", "nan"])
def test_a_deadline_that_is_no_time_protects_nothing(
    engine: docker.APIClient, lasting: Settings, leave: Leave, deadline: str
) -> None:
    container = leave(start=True, deadline=deadline)
    assert len(reaped(lasting)) == 1
    assert not _is_there(engine, container)


def test_a_waiting_cell_whose_process_is_gone_and_that_is_dead_goes_at_once(
    engine: docker.APIClient, lasting: Settings, leave: Leave, gone: str
) -> None:
    container = leave(start=False, process=gone, state="warm")
    assert len(reaped(lasting)) == 1
    assert not _is_there(engine, container)


@pytest.mark.parametrize("start", [True, False])
def test_a_dead_container_stays_for_two_margins(
    engine: docker.APIClient, lasting: Settings, leave: Leave, *, start: bool
) -> None:
    container = leave(start=start, cmd="true")
    if start:
        engine.wait(container)
    assert reaped(lasting) == []


def test_who_leaves_takes_along_what_it_made_and_nothing_of_others(
    engine: docker.APIClient, lasting: Settings, leave: Leave
) -> None:
    leave(start=False, process="another machine/1/2")
    leave(start=False, process=this_process())
    assert len(reaped(lasting, leaving=True)) == 1
    assert reaped(lasting, leaving=True) == []


def test_what_is_due_is_named_and_stays(
    engine: docker.APIClient, lasting: Settings, leave: Leave, owner: str
) -> None:
    container = leave(start=True, due_in_s=-1)
    leave(start=True)
    leave(start=True, due_in_s=-1, whose=f"{owner}-other")
    assert found_due(lasting) == [_name(engine, container)]
    assert _is_there(engine, container)


def test_what_is_reaped_is_told_and_counted_by_its_name(
    engine: docker.APIClient, lasting: Settings, leave: Leave, caplog: pytest.LogCaptureFixture
) -> None:
    name = _name(engine, leave(start=True, due_in_s=-1))
    with measuring() as measured:
        assert reaped(lasting) == [name]
    assert measured == [("cellblock_reaps_total", 1.0, {})]
    assert f"Removed the container {name}, which nobody else had removed" in caplog.text


def test_what_is_due_and_cannot_be_removed_is_a_leak_and_hinders_no_other(
    checkpoint: Checkpoint,
    settings: Settings,
    leave: Leave,
    engine: docker.APIClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck, other = (_name(engine, leave(start=False, due_in_s=-1)) for _ in range(2))
    checkpoint.refuse(f"DELETE /containers/{stuck}", 500)
    with measuring() as measured:
        assert reaped(settings, checkpoint.url) == [other]
    assert ("cellblock_leaks_total", 1.0, {"where": "reaper"}) in measured
    errors = {"where": "reaper", "error": "EngineFailed"}
    assert ("cellblock_engine_errors_total", 1.0, errors) in measured
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert f"{stuck} is due but stays for now" in record.getMessage()


def test_a_dead_container_that_vanishes_before_it_is_looked_at_is_not_reaped(
    checkpoint: Checkpoint, settings: Settings, leave: Leave, engine: docker.APIClient
) -> None:
    container = leave(start=True, cmd="true")
    engine.wait(container)
    checkpoint.refuse("GET /containers/[^/]+/json", 404)
    assert found_due(settings, checkpoint.url) == []


def test_an_engine_that_hangs_up_on_a_reaper_is_unreachable(
    checkpoint: Checkpoint, settings: Settings
) -> None:
    checkpoint.hang_up_on("GET /containers/json")
    with pytest.raises(EngineUnreachable, match="could not be asked to list its containers"):
        reaped(settings, checkpoint.url)


def _name(engine: docker.APIClient, container: str) -> str:
    name: str = engine.inspect_container(container)["Name"]
    return name.removeprefix("/")
