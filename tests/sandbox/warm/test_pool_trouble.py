"""A warm pool when its engine fails, when its cells die, and when it is closed while it makes cells."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config import load_catalogue, load_settings
from sandbox import EngineFailed, EngineUnreachable, ImageMissing
from sandbox.cell import CellInfo
from sandbox.engines.docker.client import ask_the_time
from sandbox.engines.engine import OpenCell
from sandbox.limits import warm_limits
from sandbox.remover import Remover
from sandbox.warm import WarmPool
from tests.conftest import OWNER, cells, running_cells
from tests.engine_checkpoint import Checkpoint
from tests.sandbox.measured import measuring
from tests.waiting import PATIENCE, becomes, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from config import Settings
    from sandbox import SandboxUnavailable

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CREATE, START = "POST /containers/create", "POST /containers/[^/]+/start"


@pytest.fixture
def settings(checkpoint: Checkpoint) -> Settings:
    return load_settings(warm="0,bash=1", pull="never", docker_host=checkpoint.url, engine_margin=60)


@pytest.fixture
def idle() -> Iterator[WarmPool]:
    """A pool for cells of bash that makes none, because its engine does not exist."""
    with closing(WarmPool(load_settings(warm="bash=0-4", docker_host="unix:///nonexistent/s"))) as pool:
        yield pool


@pytest.fixture
def hung() -> Iterator[Callable[[], tuple[OpenCell, socket.socket]]]:
    """A function that makes a cell without a container, and returns it with the other end of its stream."""
    ends: list[socket.socket] = []

    def make() -> tuple[OpenCell, socket.socket]:
        near, far = socket.socketpair()
        ends.extend((near, far))
        name = f"cell-{len(ends) // 2}"
        return OpenCell(name, CellInfo("docker", container=name), (near,)), far

    yield make
    for end in ends:
        end.close()


def shelve(pool: WarmPool, *waiting: OpenCell) -> None:
    for cell in waiting:
        pool._shelves["bash"].put(cell, time.monotonic())


def test_a_cell_that_cannot_be_made_is_removed_told_and_counted(
    checkpoint: Checkpoint, settings: Settings, engine: docker.APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.refuse(START, 500)
    with measuring() as measured, closing(WarmPool(settings)) as pool:
        wait_until(lambda: checkpoint.made("DELETE /containers/[^/]+"), 20, "it is removed")
        assert pool.wait_until_full(20 * PATIENCE)
        assert pool.claim("bash") is None
    assert cells(engine) == []
    assert "No warm cells of bash for now: The engine could not make a cell" in caplog.text
    assert ("cellblock_engine_errors_total", 1.0, {"where": "keeper", "error": "EngineFailed"}) in measured


def test_a_cell_is_made_once_no_more_than_a_few_wait_to_be_removed(
    checkpoint: Checkpoint, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, has_room = threading.Event(), threading.Event()

    def await_room(_: Remover) -> None:
        asked.set()
        has_room.wait(20)

    monkeypatch.setattr(Remover, "await_room", await_room)
    with closing(WarmPool(settings)) as pool:
        assert asked.wait(20)
        assert checkpoint.made(CREATE) == []
        has_room.set()
        assert pool.wait_until_full(20 * PATIENCE)
    assert len(checkpoint.made(CREATE)) == 1


def test_an_engine_that_failed_once_is_left_in_peace_for_a_while_and_then_asked_again(
    checkpoint: Checkpoint, settings: Settings, engine: docker.APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.warm.pool._PAUSE_S", 1.0)
    checkpoint.refuse(CREATE, 500, times=1)
    began = time.monotonic()
    with closing(WarmPool(settings)) as pool:
        wait_until(lambda: len(checkpoint.made(CREATE)) == 2, 20, "it is asked again")
        assert time.monotonic() - began > 0.9
        wait_until(lambda: running_cells(engine), 20, "a cell waits")
        assert pool.wait_until_full(20 * PATIENCE)


@pytest.mark.parametrize(
    ("error", "pause_s", "level"),
    [
        (EngineFailed("no"), 5, logging.WARNING),
        (ImageMissing("none"), 60, logging.WARNING),
        (EngineUnreachable("away"), 5, logging.DEBUG),
    ],
)
def test_a_pause_is_five_seconds_and_a_minute_where_somebody_has_to_bring_an_image(
    idle: WarmPool, caplog: pytest.LogCaptureFixture, error: SandboxUnavailable, pause_s: float, level: int
) -> None:
    with caplog.at_level(logging.DEBUG, "cellblock.warm"):
        idle._pause("bash", error)
    now = time.monotonic()
    assert not idle._may_make("bash", now + pause_s - 0.5)
    assert idle._may_make("bash", now + pause_s)
    assert [record.levelno for record in caplog.records] == [level]


@pytest.mark.parametrize(("waiting", "after_s", "may"), [(2, 0.0, False), (2, 0.06, True), (1, 0.0, True)])
def test_while_jobs_follow_each_other_a_shelf_that_is_half_full_is_not_filled(
    idle: WarmPool,
    hung: Callable[[], tuple[OpenCell, socket.socket]],
    waiting: int,
    after_s: float,
    *,
    may: bool,
) -> None:
    # Meanwhile no maker looks: it would find no engine, and pause the shelf.
    with idle._change:
        now = idle._last_claim = time.monotonic()
        idle._shelves["bash"]._asked.extend([now] * 4)
        shelve(idle, *(hung()[0] for _ in range(waiting)))
        assert idle._may_make("bash", now + after_s) is may


def test_a_cell_that_is_closed_or_says_anything_is_passed_over_and_discarded(
    idle: WarmPool, hung: Callable[[], tuple[OpenCell, socket.socket]]
) -> None:
    (closed, far), (talking, mouth), (alive, _) = hung(), hung(), hung()
    reset, other = hung()
    far.close()
    mouth.send(b"x")
    os.write(reset.streams[0].fileno(), b"x")
    other.close()
    shelve(idle, closed, talking, reset, alive)
    with measuring() as measured:
        claimed = idle.claim("bash")
    assert claimed is not None
    assert (claimed.name, claimed.info.warm) == (alive.name, True)
    dead = [closed.name, talking.name, reset.name]
    wait_until(lambda: [left.name for left in tuple(idle._remover._left)] == dead, 10, "they go")
    claims = [one for one in measured if one[0] == "cellblock_warm_claims_total"]
    assert claims == [("cellblock_warm_claims_total", 1, {"runtime": "bash", "outcome": "hit"})]


def test_a_claim_that_finds_none_is_a_miss_and_raises_what_is_wanted(idle: WarmPool) -> None:
    with measuring() as measured:
        assert idle.claim("bash") is None
        assert idle.claim("cobol") is None
    labels = {"runtime": "bash"}
    assert [one for one in measured if one[0].startswith("cellblock_warm")][:3] == [
        ("cellblock_warm_cells", 0, labels),
        ("cellblock_warm_cells_wanted", 1, labels),
        ("cellblock_warm_claims_total", 1, labels | {"outcome": "miss"}),
    ]


def test_a_pool_that_is_closed_while_it_makes_a_cell_leaves_none(
    checkpoint: Checkpoint, settings: Settings, engine: docker.APIClient
) -> None:
    go_on = checkpoint.stall(START)
    pool = WarmPool(settings)
    wait_until(lambda: checkpoint.made(START), 20, "a cell is in the making")
    closing_it = threading.Thread(target=pool.close)
    closing_it.start()
    assert not becomes(lambda: not closing_it.is_alive(), 0.3)
    go_on.set()
    closing_it.join(20 * PATIENCE)
    assert not closing_it.is_alive()
    assert cells(engine) == []


def test_no_more_cells_are_made_than_are_missing(checkpoint: Checkpoint, settings: Settings) -> None:
    with closing(WarmPool(settings)) as pool:
        assert pool.wait_until_full(20 * PATIENCE)
        assert not becomes(lambda: len(checkpoint.made(CREATE)) > 1, 0.5)


def test_a_shelf_that_is_not_full_in_time_is_told_so(checkpoint: Checkpoint, settings: Settings) -> None:
    go_on = checkpoint.stall(CREATE)
    with closing(WarmPool(settings)) as pool:
        assert not pool.wait_until_full(0.1)
        go_on.set()


def test_a_waiting_cell_may_stay_as_long_as_it_waits_and_the_longest_job_after_it(
    settings: Settings, engine: docker.APIClient
) -> None:
    with closing(WarmPool(settings, worker="w@h")) as pool:
        assert pool.wait_until_full(20 * PATIENCE)
        (cell,) = engine.containers(filters={"label": f"cellblock.owner={OWNER}"})
        left_s = float(cell["Labels"]["cellblock.deadline"]) - ask_the_time(engine)
    assert left_s == pytest.approx(settings.warm_age + settings.longest.reap_s, abs=5 * PATIENCE)
    assert (cell["Labels"]["cellblock.state"], cell["Labels"]["cellblock.worker"]) == ("warm", "w@h")


def test_a_waiting_cell_is_for_a_job_of_any_length_and_of_usual_limits_else() -> None:
    settings = load_settings(max_timeout=77, max_grace=7)
    limits = warm_limits(load_catalogue()["bash"], settings)
    assert (limits.timeout_s, limits.grace_s) == (77, 7)
    assert (limits.memory_bytes, limits.cpus, limits.pids) == (512 << 20, 2.0, 128)


def test_two_cells_are_made_at_a_time(checkpoint: Checkpoint, settings: Settings) -> None:
    go_on = checkpoint.stall(CREATE)
    with closing(WarmPool(settings.model_copy(update={"warm": "0,bash=4"}))):
        wait_until(lambda: len(checkpoint.made(CREATE)) == 2, 20, "two are made")
        assert not becomes(lambda: len(checkpoint.made(CREATE)) > 2, 0.3)
        go_on.set()
