"""A host that can make no cell for a while: its runtime is missing, or its folder or its ids have no room."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.oci import PrivateOci, WrappedRuntime
from tests.chaos.workers import ChaosWorker
from tests.conftest import unavailable
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.chaos.conftest import Send

_START_S = 40.0
JOBS = 6


class Host:
    """The engine oci with folders of its own, and a worker on it."""

    def __init__(self, stack: ExitStack, source: docker.APIClient, broker_url: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-oci-")))
        # To the host, a cell's user is one that owns nothing. It must be able to enter the store.
        folder.chmod(0o711)
        place = folder / "e"
        place.mkdir()
        self.oci = stack.enter_context(PrivateOci(place, f"chaos-{secrets.token_hex(4)}", "crun"))
        self.oci.load(source, ["cellblock/bash:local"])
        self.runtime = WrappedRuntime(place / "runtime-0", "crun")
        settings = self.oci.settings_of(self.runtime) | {
            "CELLBLOCK_BROKER_URL": broker_url,
            "CELLBLOCK_OWNER": self.oci.owner,
        }
        self.worker = ChaosWorker("one", settings, folder / "worker.log")
        stack.callback(self.worker.stop)
        self.worker.start()
        wait_until(lambda: self.worker.is_ready, _START_S, "the worker is ready")


@pytest.fixture
def machine(engine: docker.APIClient, broker_url: str, root: None) -> Iterator[Host]:
    """Gives a host with a worker."""
    if shutil.which("crun") is None:
        unavailable("There is no crun. Try: apt-get install crun")
    with ExitStack() as stack:
        yield Host(stack, engine, broker_url)


#: What strikes the host, and what mends it.
STRIKES: dict[str, tuple[Callable[[Host], None], Callable[[Host], None]]] = {
    "runtime missing": (lambda host: host.runtime.take_away(), lambda host: host.runtime.mend()),
    "folder full": (lambda host: host.oci.fill_state(), lambda host: host.oci.empty_state()),
    "ids exhausted": (lambda host: host.oci.take_ids(), lambda host: host.oci.give_back_ids()),
}


@pytest.mark.parametrize("strike", STRIKES)
def test_every_job_outlasts_a_host_that_can_make_no_cell(machine: Host, send: Send, strike: str) -> None:
    act, mend = STRIKES[strike]
    assert send("echo ready", "bash").get(timeout=40)["stdout"] == "ready\n"
    act(machine)
    handles = [send(f"echo {number}", "bash") for number in range(JOBS)]
    wait_until(lambda: "The engine is away" in machine.worker.log(), 20, "the worker has noticed")
    mend(machine)
    results = [handle.get(timeout=60) for handle in handles]
    assert [(result["stdout"], result["attempt"]) for result in results] == [
        (f"{number}\n", 1) for number in range(JOBS)
    ]
    wait_until(lambda: "The engine is back" in machine.worker.log(), 10, "the worker has noticed a success")
    assert machine.worker.stop() == 0
    assert (machine.oci.cells(), machine.oci.remains()) == ([], [])
