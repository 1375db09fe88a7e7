"""The keeper as a separate program, with an engine that misbehaves."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import docker.errors
import pytest

from config import load_settings
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.docker.removal import remove_container
from sandbox.engines.engine import new_name
from sandbox.warm import keeper as under_test
from tests.conftest import GONE_S, remove_cells
from tests.engine_checkpoint import engine_checkpoint
from tests.programs import ROOT
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

OWNER = f"test-{secrets.token_hex(4)}"
LIST = "GET /containers/json"
#: For keepers that make cells: within this margin even a busy engine answers each call.
PATIENT = {"CELLBLOCK_ENGINE_MARGIN": f"{4 * PATIENCE:g}"}


@dataclass
class Keeper:
    """A running keeper, its folder and its log."""

    process: subprocess.Popen[bytes]
    folder: Path
    log_file: Path

    def says(self, words: str) -> None:
        wait_until(lambda: words in self.log_file.read_text(), 20, f"it says {words!r}")

    def ends(self) -> int:
        return self.process.wait(30 * PATIENCE)


@contextmanager
def running(tmp_path: Path, url: str, *collector: int, **settings: str) -> Iterator[Keeper]:
    folder, log_file = tmp_path / "keeper", tmp_path / "log"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "sandbox.warm.keeper", str(folder / "socket"), "w@h"]
    command += map(str, collector)
    own = {"CELLBLOCK_DOCKER_HOST": url, "CELLBLOCK_OWNER": OWNER, "CELLBLOCK_ENGINE_MARGIN": "1"}
    env = os.environ | {"CELLBLOCK_WARM": "0", "CELLBLOCK_PULL": "never"} | own | settings
    with log_file.open("wb") as log:
        # The test runner may ignore SIGINT, and the keeper would inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stderr=log, pass_fds=collector
        )
        signal.signal(signal.SIGINT, before)
    keeper = Keeper(process, folder, log_file)
    try:
        wait_until(lambda: (folder / "socket").exists() or process.poll() is not None, 20, "it listens")
        yield keeper
    finally:
        assert process.stdin
        process.stdin.close()
        keeper.ends()


@pytest.fixture(autouse=True)
def _none_left(engine: docker.APIClient) -> Iterator[None]:
    """Removes all cells of the tests after each test, also those that a keeper failed to remove."""
    yield
    remove_cells(engine, OWNER)


@pytest.fixture
def overdue(engine: docker.APIClient) -> Iterator[str]:
    """The name of a container whose deadline has passed."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    name = new_name()
    labels = {"cellblock.owner": OWNER, "cellblock.deadline": "1"}
    engine.create_container(image.id, ["true"], name=name, labels=labels)
    yield name
    remove_container(engine, name, GONE_S)


def is_there(engine: docker.APIClient, name: str) -> bool:
    try:
        engine.inspect_container(name)
    except docker.errors.NotFound:
        return False
    return True


def waiting(engine: docker.APIClient) -> int:
    return len(engine.containers(filters={"label": f"cellblock.owner={OWNER}"}))


@pytest.mark.parametrize(
    ("status", "says"), [(500, "Nothing can be reaped for now"), (200, "Reaping failed")]
)
def test_a_reaper_that_met_an_error_reaps_on(
    tmp_path: Path, engine: docker.APIClient, overdue: str, status: int, says: str
) -> None:
    with engine_checkpoint() as checkpoint:
        checkpoint.refuse(LIST, status)
        with running(tmp_path, checkpoint.url) as keeper:
            keeper.says(says)
            assert is_there(engine, overdue)
            checkpoint.obey()
            keeper.says(f"Removed the container {overdue}")
    assert not is_there(engine, overdue)


@pytest.mark.parametrize("how", ["its input ends", "SIGTERM"])
def test_a_keeper_that_ends_takes_its_cells_away(tmp_path: Path, engine: docker.APIClient, how: str) -> None:
    with (
        engine_checkpoint() as checkpoint,
        running(tmp_path, checkpoint.url, CELLBLOCK_WARM="0,bash=2", **PATIENT) as keeper,
    ):
        wait_until(lambda: waiting(engine) == 2, 30, "two cells wait")
        keeper.process.send_signal(signal.SIGINT)
        assert keeper.process.stdin
        if how == "SIGTERM":
            keeper.process.terminate()
        else:
            keeper.process.stdin.close()
        assert keeper.ends() == 0
        assert waiting(engine) == 0
        assert list(tmp_path.glob("keeper*")) == [keeper.folder] * (how == "SIGTERM")


def test_a_keeper_that_ends_removes_what_it_made_and_could_not_before(
    tmp_path: Path, engine: docker.APIClient
) -> None:
    with (
        engine_checkpoint() as checkpoint,
        running(tmp_path, checkpoint.url, CELLBLOCK_WARM="0,bash=1", **PATIENT) as keeper,
    ):
        wait_until(lambda: waiting(engine) == 1, 30, "a cell waits")
        # Each attempt of the keeper's remover fails, until the margin is over.
        checkpoint.refuse("DELETE /containers/[^/]+", 500)
        assert keeper.process.stdin
        keeper.process.stdin.close()
        keeper.says("is left to the reaper")
        checkpoint.obey()
        assert keeper.ends() == 0
    assert engine.containers(all=True, filters={"label": f"cellblock.owner={OWNER}"}) == []


def test_a_keeper_measures_to_the_descriptor_that_it_is_given(
    tmp_path: Path, engine: docker.APIClient, overdue: str
) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(20)
    with (
        near,
        far,
        engine_checkpoint() as checkpoint,
        running(tmp_path, checkpoint.url, far.fileno()) as keeper,
    ):
        assert json.loads(near.recv(1 << 16)) == [["cellblock_reaps_total", 1.0, {}]]
        keeper.says(f"Removed the container {overdue}")


def test_a_keeper_whose_thread_has_died_ends_so_that_it_is_started_again(tmp_path: Path) -> None:
    # The keeper writes what it sees of the engine to this path. A folder there makes its thread fail.
    (tmp_path / "keeper" / "engine.fresh").mkdir(parents=True)
    with running(tmp_path, "unix:///nonexistent/s") as keeper:
        assert keeper.ends() == 70
        keeper.says("The thread cellblock-engine has died")


@pytest.mark.parametrize(("log_format", "words"), [("json", '"worker": "w@h"'), ("console", "worker=w@h")])
def test_a_keeper_logs_as_its_worker_does(tmp_path: Path, log_format: str, words: str) -> None:
    settings = {"CELLBLOCK_LOG_FORMAT": log_format, "CELLBLOCK_LOG_LEVEL": "DEBUG"}
    with running(tmp_path, "unix:///nonexistent/s", **settings) as keeper:
        keeper.says("Nothing can be reaped for now")
        keeper.says(words)
        keeper.says("Keeper")


def test_a_keeper_reaps_again_after_each_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(BaseException):
        """Ends the loop, which has no end."""

    slept, reaped = list[float](), list[object]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise Enough

    monkeypatch.setattr(under_test, "_reap", lambda *_: reaped.append(1))
    monkeypatch.setattr(under_test, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with pytest.raises(Enough):
        under_test._keep_reaping(load_settings(engine_margin=7))
    assert (slept, len(reaped)) == ([7, 7], 2)
