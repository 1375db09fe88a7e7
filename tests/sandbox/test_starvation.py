"""A job that stands at its memory limit is told from one that merely uses all of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import CellLost
from sandbox.starvation import Starvation
from tests.conftest import running_cells
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker

    from sandbox import Sandbox

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
