"""Warm cells on the real engine, and the jobs that get them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import docker
import pytest

from config import load_settings
from sandbox import Result, Sandbox
from sandbox.engines.engine import OpenCell
from sandbox.warm.pool import WarmPool
from sandbox.warm.pool import _is_alive as is_alive
from tests.waiting import PATIENCE, wait_until

Warm = Callable[..., AbstractContextManager[Sandbox]]
MARK = "test ! -e /workspace/mark && test ! -e /tmp/mark && touch /workspace/mark /tmp/mark"


@pytest.fixture
def warm(engine: docker.APIClient) -> Warm:
    """A function that makes a sandbox with a full pool of warm cells."""
    del engine

    @contextmanager
    def make(sizes: str, **settings: object) -> Iterator[Sandbox]:
        with Sandbox(load_settings(warm=sizes, pull="never", **settings)) as sandbox:
            assert sandbox.warm_up(within_s=60 * PATIENCE)
            yield sandbox

    return make


def states(client: docker.APIClient, owner: str) -> list[str]:
    found = client.containers(filters={"label": f"cellblock.owner={owner}"})
    return [container["Labels"]["cellblock.state"] for container in found]


def waiting(sandbox: Sandbox) -> OpenCell:
    """The oldest cell of bash that waits in this process."""
    pool = sandbox._cells._pool
    assert isinstance(pool, WarmPool)
    return pool._shelves["bash"]._waiting[0][0]


def test_a_job_gets_a_cell_that_waits(warm: Warm) -> None:
    with warm("0,bash=1") as sandbox:
        result = sandbox.run("echo hi", "bash")

    assert (result.stdout, result.warm) == ("hi\n", True)


def test_a_cell_is_used_once(warm: Warm) -> None:
    with warm("0,bash=2") as sandbox:
        results = [sandbox.run(MARK, "bash") for _ in range(6)]

    assert {result.status for result in results} == {"succeeded"}
    assert len({result.container for result in results}) == 6


def test_an_empty_shelf_means_a_cold_cell_at_once(warm: Warm) -> None:
    with warm("0,bash=1") as sandbox:
        results = [sandbox.run("true", "bash") for _ in range(3)]

    assert [result.warm for result in results][:1] == [True]
    assert {result.status for result in results} == {"succeeded"}


def test_the_shelf_fills_up_again(warm: Warm) -> None:
    with warm("0,bash=2") as sandbox:
        # More than once: the first time, a maker may still look around after it has made the last cell.
        for _ in range(3):
            assert sandbox.run("true", "bash").warm
            assert sandbox.warm_up(within_s=30 * PATIENCE)


def test_memory_and_cores_of_a_warm_cell_are_changed_for_the_job(warm: Warm) -> None:
    with warm("0,python=1") as sandbox:
        bomb = "x = bytearray(200 << 20)"
        result = sandbox.run(["python3", "-c", bomb], "python", memory="64m", cpus=0.5)

    assert (result.warm, result.status) == (True, "out_of_memory")


def test_a_place_for_memory_in_the_environment_follows_the_job(warm: Warm) -> None:
    with warm("0,node=1") as sandbox:
        result = sandbox.run("echo ${NODE_OPTIONS%% *}", "node", memory="64m")

    assert (result.warm, result.stdout) == (True, "--max-old-space-size=48\n")


@pytest.mark.parametrize("limits", [{"disk": "8m"}, {"pids": 20}])
def test_what_cannot_be_changed_gets_a_cold_cell(warm: Warm, limits: dict[str, object]) -> None:
    with warm("0,bash=1") as sandbox:
        assert not sandbox.run("true", "bash", **limits).warm


def test_a_cell_that_died_waiting_is_never_given(warm: Warm, engine: docker.APIClient) -> None:
    owner = f"test-{secrets.token_hex(4)}"
    with warm("0,bash=1", owner=owner) as sandbox:
        (cell,) = engine.containers(filters={"label": f"cellblock.owner={owner}"})
        engine.kill(cell["Id"])
        # The engine hangs up a little later than it answers.
        wait_until(lambda: not is_alive(waiting(sandbox)), 10, "its connection has ended")
        assert sandbox.run("echo hi", "bash").stdout == "hi\n"


def test_a_cell_that_grows_old_is_replaced(warm: Warm, engine: docker.APIClient) -> None:
    owner = f"test-{secrets.token_hex(4)}"
    with warm("0,bash=1", owner=owner, warm_age=0.5) as sandbox:
        (first,) = engine.containers(filters={"label": f"cellblock.owner={owner}"})
        wait_until(
            lambda: first["Id"] not in {c["Id"] for c in engine.containers(all=True)},
            20,
            "the old cell is gone",
        )
        assert sandbox.warm_up(within_s=20)


def test_nothing_waits_when_the_sandbox_is_closed(warm: Warm, engine: docker.APIClient) -> None:
    owner = f"test-{secrets.token_hex(4)}"
    with warm("0,bash=2", owner=owner):
        assert states(engine, owner) == ["warm", "warm"]
    assert states(engine, owner) == []


def test_a_runtime_with_no_image_keeps_none_and_hinders_no_other(warm: Warm, tmp_path: Path) -> None:
    catalogue = tmp_path / "runtimes.toml"
    catalogue.write_text('[ghost]\nimage = "nowhere/ghost:1"\n')
    with warm("0,ghost=1,bash=1", runtimes=catalogue) as sandbox:
        assert sandbox.run("true", "bash").warm


def test_eight_claimers_never_share_a_cell(warm: Warm) -> None:
    results: list[Result] = []
    with warm("0,bash=8") as sandbox:
        threads = [
            threading.Thread(target=lambda: results.extend(sandbox.run(MARK, "bash") for _ in range(6)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {result.status for result in results} == {"succeeded"}
    assert len({result.container for result in results}) == 48
