"""A job that stands still at its memory limit differs from a job that only uses all of its memory."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import CellLost, Sandbox
from sandbox.cell import CellInfo
from sandbox.engines.docker.cell import DockerCell
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.starvation import StarvationGauge
from sandbox.engines.engine import OpenCell
from sandbox.events import Closed
from sandbox.starvation import Starvation
from tests.conftest import running_cells
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker

    from tests.engine_checkpoint import Checkpoint
    from tests.sandbox.conftest import Leave

STATS = "GET /containers/[^/]+/stats"
LIMIT = 256 << 20
HUNGRY = [0, 900, 1800]


def _starves(faults: list[int], usage: int = LIMIT, file_pages: int = 1 << 20) -> bool:
    starvation = Starvation()
    stats: list[dict[str, Any]] = [
        {"usage": usage, "limit": LIMIT, "stats": {"inactive_file": file_pages, "pgmajfault": count}}
        for count in faults
    ]
    return [starvation.feed(sample) for sample in stats][-1]


def test_a_full_cell_that_keeps_reading_its_programs_back_starves() -> None:
    assert _starves(HUNGRY)


@pytest.mark.parametrize(
    ("faults", "usage", "file_pages"),
    [
        ([0, 900], LIMIT, 0),
        ([900, 900, 900], LIMIT, 0),
        ([0, 900, 910, 1800], LIMIT, 0),
        (HUNGRY, LIMIT * 9 // 10, 0),
        (HUNGRY, LIMIT, LIMIT // 2),
    ],
    ids=["once", "at peace", "with a pause", "room left", "full of cached files"],
)
def test_a_job_that_can_still_get_on_is_left_alone(faults: list[int], usage: int, file_pages: int) -> None:
    assert not _starves(faults, usage, file_pages)


@pytest.mark.parametrize(
    ("faults", "usage", "file_pages", "starves"),
    [
        ([0, 100, 200], LIMIT, 0, True),
        ([0, 99, 198], LIMIT, 0, False),
        (HUNGRY, LIMIT * 991 // 1000, 0, True),
        (HUNGRY, LIMIT * 989 // 1000, 0, False),
        (HUNGRY, LIMIT, LIMIT * 49 // 1000, True),
        (HUNGRY, LIMIT, LIMIT * 51 // 1000, False),
    ],
)
def test_a_cell_is_full_from_99_percent_on_and_hungry_from_100_faults_a_second(
    faults: list[int], usage: int, file_pages: int, *, starves: bool
) -> None:
    assert _starves(faults, usage, file_pages) is starves


def test_a_cell_without_a_limit_does_not_starve() -> None:
    starvation = Starvation()
    samples = [{"usage": 5, "limit": 0, "stats": {"pgmajfault": count}} for count in HUNGRY]
    assert not any(starvation.feed(sample) for sample in samples)


def test_samples_of_a_container_that_is_gone_say_nothing() -> None:
    starvation = Starvation()
    assert not any(starvation.feed({}) for _ in range(4))


def test_the_engine_tells_all_that_starvation_is_judged_by(
    sandbox: Sandbox, engine: docker.APIClient
) -> None:
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(sandbox.run, "sleep 60", timeout=60, memory="64m")
        (cell,) = wait_until(lambda: running_cells(engine), 10, "the cell is there")
        sample = next(s["memory_stats"] for s in engine.stats(cell, decode=True) if s["memory_stats"])
        engine.kill(cell)
        assert isinstance(job.exception(), CellLost), job.result()
    assert (sample["limit"], 0 < sample["usage"] < 64 << 20) == (64 << 20, True)
    assert {"active_file", "inactive_file", "pgmajfault"} <= set(sample["stats"])


@pytest.fixture
def client(checkpoint: Checkpoint) -> Iterator[docker.APIClient]:
    with closing(connect(load_settings(docker_host=checkpoint.url))) as client:
        yield client


def is_followed() -> bool:
    return any(thread.name == "cellblock-starvation" for thread in threading.enumerate())


def test_an_engine_that_tells_no_memory_is_told_and_nobody_starves(
    checkpoint: Checkpoint, client: docker.APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.refuse(STATS, 500)
    with caplog.at_level(logging.DEBUG, "sandbox.engines.docker.starvation"):
        gauge = StarvationGauge("cellblock-1", lambda: client)
        wait_until(lambda: not is_followed(), 10, "its thread has ended")
    assert not gauge.starving
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        "Nobody watches cellblock-1 for starvation: The engine could not tell"
    )


def samples(faults: list[int]) -> bytes:
    stats: list[dict[str, Any]] = [
        {"memory_stats": {"usage": LIMIT, "limit": LIMIT, "stats": {"pgmajfault": count}}} for count in faults
    ]
    return b"".join(json.dumps(sample).encode() for sample in stats)


@pytest.mark.parametrize(("faults", "starves"), [(HUNGRY, True), ([0, 0, 0], False)])
def test_the_gauge_tells_what_the_engines_samples_say(
    checkpoint: Checkpoint, client: docker.APIClient, faults: list[int], *, starves: bool
) -> None:
    checkpoint.answer(STATS, samples(faults))
    gauge = StarvationGauge("cellblock-1", lambda: client)
    wait_until(lambda: not is_followed(), 10, "its thread has ended")
    assert gauge.starving is starves


def test_a_gauge_is_asked_for_once_a_job_has_run_for_a_second_and_ends_with_it(
    checkpoint: Checkpoint,
) -> None:
    with Sandbox(load_settings(docker_host=checkpoint.url, pull="never")) as behind:
        behind.run("true", "bash")
        assert checkpoint.made(STATS) == []
        behind.run("sleep 1.6", "bash")
        assert len(checkpoint.made(STATS)) == 1
        wait_until(lambda: not is_followed(), 10, "its thread has ended")


@pytest.mark.parametrize("how", ["the gauge is closed", "the job's streams end"])
def test_a_job_that_has_ended_is_followed_no_longer_though_its_container_runs(
    engine: docker.APIClient, leave: Leave, how: str
) -> None:
    name = leave("sleep 600", start=True)
    near, far = socket.socketpair()
    with near, far:
        cell = DockerCell(
            OpenCell(name, CellInfo("docker", container=name), (near,)), lambda: engine, bound_s=5
        )
        cell._gauge = gauge = StarvationGauge(name, lambda: engine)
        assert is_followed()
        if how == "the gauge is closed":
            gauge.close()
        else:
            far.close()
            assert list(cell.poll(1)) == [Closed()]
        wait_until(lambda: not is_followed(), 10, "its thread has ended")
