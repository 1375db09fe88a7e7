"""How an outage of the engine is reported, and what happens to the containers that it still has."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests

from config import load_settings
from sandbox import CellLost, EngineFailed, EngineUnfit, EngineUnreachable
from sandbox.cell_source import CellSource
from sandbox.engines.docker.client import connect, map_error
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.docker.removal import remove_container
from sandbox.engines.oci.engine import OciEngine
from sandbox.remover import Remover
from tests.conftest import GONE_S
from tests.engine_door import engine_door
from tests.engine_stand_in import standing_in
from tests.waiting import becomes, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.engine_door import Door

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

ERROR = CellLost("The cell was killed from outside.")


@dataclass
class Looked:
    """A pool whose keeper last found the engine away at the time `at`."""

    at: float

    def last_away(self) -> float:
        return self.at


@pytest.fixture
def door() -> Iterator[Door]:
    with tempfile.TemporaryDirectory(prefix="cb-door-") as name, engine_door(Path(name, "s")) as door:
        yield door


def answering(code: int, says: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = code
    return docker.errors.APIError("refused", response=response, explanation=says)


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_proxy_that_stands_alone_is_an_engine_that_is_away(code: int) -> None:
    error = map_error(answering(code, ""), "make a cell", "tcp://proxy:2375")
    assert isinstance(error, EngineUnreachable)
    assert "tcp://proxy:2375" in str(error)


@pytest.mark.parametrize(
    "says",
    [
        "mkdir /var/lib/docker/overlay2/x: no space left on device",
        'dial unix /run/containerd/containerd.sock: connect: connection refused: unavailable"',
        "rpc error: code = Unavailable desc = transport is closing",
    ],
)
def test_what_no_job_could_be_spared_makes_the_engine_unfit(says: str) -> None:
    error = map_error(answering(500, says), "make a cell")
    assert isinstance(error, EngineUnfit)
    assert says in str(error)


def test_what_a_job_may_have_caused_does_not() -> None:
    error = map_error(answering(400, "the memory limit is too low"), "make a cell")
    assert (type(error), isinstance(error, EngineUnfit)) == (EngineFailed, False)


def test_an_error_says_where_the_engine_is(door: Door, engine: docker.APIClient) -> None:
    client = connect(load_settings(docker_host=door.url))
    door.shut()
    with pytest.raises(EngineUnreachable, match=door.url):
        find_image(client, "cellblock/bash:local")
    client.close()


@pytest.mark.parametrize(("seen_s_ago", "is_outage"), [(1.0, True), (100.0, False)])
def test_an_engine_that_answers_was_away_if_it_was_seen_so_since_the_job_began(
    tmp_path: Path, *, seen_s_ago: float, is_outage: bool
) -> None:
    now = time.monotonic()
    with standing_in(tmp_path / "s") as there:
        settings = load_settings(docker_host=there.url)
        looked: Any = Looked(now - seen_s_ago)
        one = CellSource(settings, DockerEngine(settings), looked)
        outage = one.outage(ERROR, now - 10)
    assert (outage is not None and outage.is_over) is is_outage


@pytest.mark.parametrize(
    ("number", "is_outage"), [(errno.ECONNREFUSED, True), (errno.ENOENT, True), (errno.ETIMEDOUT, False)]
)
def test_an_engine_that_answers_again_was_away_if_nobody_was_there_but_perhaps_not_if_it_was_slow(
    tmp_path: Path, *, number: int, is_outage: bool
) -> None:
    met = map_error(OSError(number, os.strerror(number)), "make a cell")
    assert isinstance(met, EngineUnreachable)
    with standing_in(tmp_path / "s") as there:
        settings = load_settings(docker_host=there.url)
        outage = CellSource(settings, DockerEngine(settings)).outage(met, 0.0)
    assert (outage is not None and outage.is_over) is is_outage


def test_an_oci_runtime_whose_program_is_missing_was_not_there(tmp_path: Path) -> None:
    settings = load_settings(
        engine="oci", oci_runtime="no-crun", state=tmp_path / "state", store=tmp_path / "store"
    )
    with pytest.raises(EngineUnreachable) as met:
        OciEngine(settings).ping()
    assert met.value.is_absent


def _nowhere() -> CellSource:
    settings = load_settings(docker_host="unix:///nonexistent/s")
    return CellSource(settings, DockerEngine(settings))


def test_an_engine_that_does_not_answer_is_away_whatever_the_job_met() -> None:
    outage = _nowhere().outage(ERROR, 0.0)
    assert outage is not None
    assert not outage.is_over
    assert "No container engine answers at unix:///nonexistent/s" in str(outage.why)


def test_an_engine_that_is_full_is_not_asked_whether_it_is_there() -> None:
    full = EngineUnfit("no space left on device")
    outage = _nowhere().outage(full, 0.0)
    assert outage is not None
    assert (outage.why, outage.is_over) == (full, False)


@pytest.fixture
def left(engine: docker.APIClient) -> Iterator[str]:
    """The name of a container that a remover is asked to remove."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    name = f"cellblock-{secrets.token_hex(6)}"
    engine.create_container(image.id, ["true"], name=name)
    yield name
    remove_container(engine, name, GONE_S)


def is_there(engine: docker.APIClient, name: str) -> bool:
    return bool(engine.containers(all=True, filters={"name": name}))


def remover_behind(door: Door) -> Remover:
    return Remover(lambda: DockerEngine(load_settings(docker_host=door.url)))


def test_what_is_to_be_removed_waits_for_the_engine(door: Door, engine: docker.APIClient, left: str) -> None:
    door.shut()
    remover = remover_behind(door)
    remover.remove(left)
    assert not becomes(lambda: not is_there(engine, left), 0.5)
    door.open()
    wait_until(lambda: not is_there(engine, left), 10, "it is removed")
    remover.close()


def test_a_process_that_ends_waits_for_no_engine(door: Door, engine: docker.APIClient, left: str) -> None:
    door.shut()
    remover = remover_behind(door)
    for _ in range(50):
        remover.remove_at_once(left)
    began = time.monotonic()
    remover.close()
    remover.settle()
    assert time.monotonic() - began < 5
    assert is_there(engine, left)
