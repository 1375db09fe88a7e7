"""Two machines, each with an engine and a worker, use one broker."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.machine import Machine
from tests.conftest import unavailable
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.chaos.conftest import Send


@pytest.fixture
def machines(engine: docker.APIClient, broker_url: str, root: None) -> Iterator[tuple[Machine, Machine]]:
    """Gives two machines, called one and two."""
    if shutil.which("containerd") is None:
        unavailable("There is no containerd. Try: apt-get install containerd")
    settings = {"CELLBLOCK_BROKER_URL": broker_url}
    with (
        tempfile.TemporaryDirectory(prefix="cb-two-") as folder,
        Machine(Path(folder, "one"), engine, **settings) as one,
        Machine(Path(folder, "two"), engine, **settings) as two,
    ):
        yield one, two


def test_every_result_arrives_though_one_of_two_machines_dies_whole(
    machines: tuple[Machine, Machine], send: Send
) -> None:
    one, two = machines
    handles = [send(f"sleep 1; echo {number}", "bash") for number in range(16)]
    wait_until(one.cells, 20, "the first machine has a job")
    one.die()
    results = [handle.get(timeout=60) for handle in handles]
    assert [result["stdout"] for result in results] == [f"{number}\n" for number in range(16)]
    wait_until(lambda: not two.cells(), 15, "the second one has no cells left")
