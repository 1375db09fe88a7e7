"""A real engine dies or stops answering while jobs wait and run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.machine import Machine
from tests.conftest import unavailable
from tests.waiting import becomes, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.chaos.conftest import Send

#: Longer than the timeout for the engine's answers. Set it to minutes for a run by hand.
AWAY_S = float(os.environ.get("CHAOS_AWAY_S", "12"))
JOBS = 30


@pytest.fixture
def machine(engine: docker.APIClient, broker_url: str, root: None) -> Iterator[Machine]:
    if shutil.which("containerd") is None:
        unavailable("There is no containerd. Try: apt-get install containerd")
    with tempfile.TemporaryDirectory(prefix="cb-away-") as name:
        folder = Path(name)
        settings = {"CELLBLOCK_BROKER_URL": broker_url, "CELLBLOCK_HEARTBEAT": str(folder / "beat")}
        with Machine(folder / "m", engine, **settings) as machine:
            yield machine


def trouble(machine: Machine) -> str | None:
    beat = json.loads(Path(machine.worker.settings["CELLBLOCK_HEARTBEAT"]).read_text())
    said: str | None = beat["trouble"]
    return said


@pytest.mark.timeout(180 + 3 * AWAY_S)
@pytest.mark.parametrize("how", ["killed", "stopped", "frozen"])
def test_every_job_outlasts_an_engine_that_is_away(machine: Machine, send: Send, how: str) -> None:
    handles = [send(f"sleep 1; echo {number}", "bash") for number in range(JOBS)]
    wait_until(machine.cells, 20, "a job runs")
    if how == "frozen":
        machine.engine.send(signal.SIGSTOP)
    elif how == "stopped":
        machine.engine.stop()
    else:
        machine.engine.die_whole()
    wait_until(lambda: trouble(machine), 40, "the worker is not well")
    assert not becomes(lambda: trouble(machine) is None, AWAY_S)
    if how == "frozen":
        machine.engine.send(signal.SIGCONT)
    else:
        machine.engine.start()
    results = [handle.get(timeout=90) for handle in handles]
    assert [result["stdout"] for result in results] == [f"{number}\n" for number in range(JOBS)]
    assert {result["attempt"] for result in results} == {1}
    wait_until(lambda: trouble(machine) is None, 10, "the worker is well")
    log = machine.worker.log()
    assert (log.count("The engine is away"), log.count("The engine is back"), "Traceback" in log) == (
        1,
        1,
        False,
    )
