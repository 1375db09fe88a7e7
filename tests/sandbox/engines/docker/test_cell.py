"""The streams and the end of one container when its engine or its supervisor misbehaves."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import CellLost, EngineFailed, EngineUnreachable
from sandbox.cell import CellInfo
from sandbox.engines.docker.cell import DockerCell
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.docker.removal import remove_container
from sandbox.engines.engine import OpenCell, new_name
from sandbox.events import Closed, Output
from sandbox.supervisor.orders import KILL, TERMINATE
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.engine_checkpoint import Checkpoint
    from tests.sandbox.conftest import Parse

    Streams = tuple[socket.socket, socket.socket]

KILL_CALL = "POST /containers/[^/]+/kill"


@pytest.fixture
def streams() -> Iterator[Streams]:
    """The worker's end and the container's end of a connection that carries the streams."""
    near, far = socket.socketpair()
    far.settimeout(10)
    with near, far:
        yield near, far


def no_engine() -> docker.APIClient:
    raise AssertionError("the engine is asked only when a job's end looks wrong")


def cell_on(
    near: socket.socket, name: str = "", client: Callable[[], docker.APIClient] = no_engine
) -> DockerCell:
    return DockerCell(OpenCell(name, CellInfo("docker", container=name), (near,)), client, bound_s=0.3)


def framed(text: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def test_orders_that_nobody_takes_are_given_up_in_time(streams: Streams, parse: Parse) -> None:
    job = parse("true", files={"big": "x" * (4 << 20)})
    with pytest.raises(EngineFailed, match=r"did not take its orders within 0\.3 s"):
        cell_on(streams[0]).start(job)


def test_a_cell_that_closes_before_it_has_its_orders_says_so_when_it_is_polled(
    streams: Streams, parse: Parse
) -> None:
    near, far = streams
    cell = cell_on(near)
    far.close()
    cell.start(parse("true"))
    assert list(cell.poll(1)) == [Closed()]


def test_a_connection_that_breaks_is_a_cell_that_closed(streams: Streams) -> None:
    near, far = streams
    cell = cell_on(near)
    cell.kill()
    far.close()  # The order is unread, so the kernel resets the connection.
    assert list(cell.poll(1)) == [Closed()]


def test_half_a_mark_before_the_end_is_output(streams: Streams) -> None:
    near, far = streams
    cell = cell_on(near)
    far.sendall(framed(b"\0"))
    assert list(cell.poll(1)) == []
    far.close()
    assert list(cell.poll(1)) == [Output(1, b"\0"), Closed()]


def test_a_poll_with_no_time_says_nothing_of_a_quiet_cell(
    streams: Streams,
) -> None:
    assert list(cell_on(streams[0]).poll(0)) == []


def test_a_poll_comes_back_within_half_a_second(streams: Streams) -> None:
    began = time.monotonic()
    assert list(cell_on(streams[0]).poll(60)) == []
    assert 0.4 < time.monotonic() - began < 5 * PATIENCE


def test_a_supervisor_is_told_in_one_word_what_to_do(streams: Streams) -> None:
    near, far = streams
    cell = cell_on(near)
    cell.terminate()
    assert far.recv(64) == TERMINATE == b"term\n"
    cell.kill()
    assert far.recv(64) == KILL == b"kill\n"


def test_an_order_to_a_cell_that_is_gone_is_no_error(streams: Streams) -> None:
    near, far = streams
    cell = cell_on(near)
    far.close()
    cell.terminate()
    cell.kill()
    assert list(cell.poll(1)) == [Closed()]


@pytest.fixture
def held(engine: docker.APIClient) -> Iterator[str]:
    """The name of a container that runs until it is killed."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    name = new_name()
    engine.create_container(image.id, ["sleep", "600"], name=name)
    engine.start(name)
    yield name
    remove_container(engine, name, 10)


@pytest.fixture
def client(checkpoint: Checkpoint) -> Iterator[docker.APIClient]:
    with closing(connect(load_settings(docker_host=checkpoint.url, engine_margin=3 * PATIENCE))) as client:
        yield client


def state(engine: docker.APIClient, name: str) -> str:
    status: str = engine.inspect_container(name)["State"]["Status"]
    return status


def test_a_cell_that_is_destroyed_is_killed_by_the_engine(
    streams: Streams, held: str, engine: docker.APIClient
) -> None:
    cell = cell_on(streams[0], held, lambda: engine)
    cell.destroy()
    wait_until(lambda: state(engine, held) == "exited", 10, "it is dead")
    assert cell.examine().exit_code == 137
    assert list(cell.poll(0)) == []


def test_that_the_engine_refuses_to_kill_is_told_by_the_next_poll(
    streams: Streams, held: str, client: docker.APIClient, checkpoint: Checkpoint
) -> None:
    checkpoint.refuse(KILL_CALL, 500)
    cell = cell_on(streams[0], held, lambda: client)
    cell.destroy()
    with pytest.raises(EngineFailed, match=f"could not kill {held}: the test says no"):
        wait_until(lambda: list(cell.poll(0.01)), 10, "the poll fails")


def test_an_engine_that_hangs_up_on_a_kill_is_told_by_the_next_poll(
    streams: Streams, held: str, client: docker.APIClient, checkpoint: Checkpoint
) -> None:
    checkpoint.hang_up_on(KILL_CALL)
    cell = cell_on(streams[0], held, lambda: client)
    cell.destroy()
    with pytest.raises(EngineUnreachable):
        wait_until(lambda: list(cell.poll(0.01)), 10, "the poll fails")


@pytest.mark.parametrize("how", ["dead", "gone"])
def test_a_cell_that_has_ended_already_is_as_good_as_killed(
    streams: Streams, held: str, client: docker.APIClient, checkpoint: Checkpoint, how: str
) -> None:
    cell = cell_on(streams[0], held if how == "dead" else "cellblock-nobody", lambda: client)
    client.kill(held)
    wait_until(lambda: state(client, held) == "exited", 10, "it is dead")
    cell.destroy()
    wait_until(
        lambda: len(checkpoint.made(KILL_CALL)) == 2 and not _is_striking(), 10, "the engine was asked"
    )
    assert list(cell.poll(0)) == []


def _is_striking() -> bool:
    return any(thread.name == "cellblock-destroy" for thread in threading.enumerate())


def test_a_cell_that_somebody_removed_tells_nothing_of_its_job(
    streams: Streams, engine: docker.APIClient
) -> None:
    with pytest.raises(CellLost, match="cellblock-nobody was removed while its job ran"):
        cell_on(streams[0], "cellblock-nobody", lambda: engine).examine()


def test_an_engine_that_does_not_see_the_end_is_not_waited_for_longer_than_its_bound(
    streams: Streams, held: str, engine: docker.APIClient
) -> None:
    began = time.monotonic()
    with pytest.raises(EngineUnreachable, match="did not examine a cell in time"):
        cell_on(streams[0], held, lambda: engine).examine()
    assert time.monotonic() - began < 5 * PATIENCE


@pytest.mark.parametrize(("exit_code", "for_memory"), [(137, True), (1, False)])
def test_only_a_killed_cell_can_have_been_killed_for_its_memory(
    streams: Streams, monkeypatch: pytest.MonkeyPatch, exit_code: int, *, for_memory: bool
) -> None:
    monkeypatch.setattr("sandbox.engines.docker.cell.killed_for_memory", lambda _: True)
    opened = OpenCell("cell", CellInfo("docker"), (streams[0],), group="/docker/cell")
    cell = DockerCell(opened, no_engine, bound_s=0.3)
    assert cell._was_killed_for_memory(exit_code) is for_memory
