"""The thread that removes containers, and what happens to containers that the engine fails to remove."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.engine import new_name
from sandbox.remover import Remover
from tests.sandbox.measured import measuring
from tests.waiting import PATIENCE, becomes, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.engine_checkpoint import Checkpoint
    from tests.sandbox.conftest import Leave

REMOVE = "DELETE /containers/[^/]+"
WAIT = "POST /containers/[^/]+/wait"
LEAK = ("cellblock_leaks_total", 1.0, {"where": "remover"})


@pytest.fixture
def remover(checkpoint: Checkpoint) -> Iterator[Remover]:
    """A remover that gives up a container after the engine has refused for some seconds."""
    settings = load_settings(docker_host=checkpoint.url, engine_margin=5 * PATIENCE)
    remover = Remover(lambda: DockerEngine(settings))
    yield remover
    checkpoint.obey()
    remover.close()


def is_there(engine: docker.APIClient, name: str) -> bool:
    return bool(engine.containers(all=True, filters={"name": name}))


def test_a_container_that_the_engine_refuses_to_remove_is_told_and_counted_and_the_next_one_goes(
    checkpoint: Checkpoint,
    remover: Remover,
    leave: Leave,
    engine: docker.APIClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck, other = leave(), leave()
    checkpoint.refuse(f"DELETE /containers/{stuck}", 500)
    with measuring() as measured:
        remover.remove(stuck)
        remover.remove(other)
        remover.settle()
    assert (is_there(engine, stuck), is_there(engine, other)) == (True, False)
    assert f"{stuck} is left to the reaper: The engine could not remove {stuck}" in caplog.text
    assert measured == [
        LEAK,
        ("cellblock_engine_errors_total", 1.0, {"where": "remover", "error": "EngineFailed"}),
    ]


def test_an_error_that_nobody_expected_is_told_whole_and_the_thread_goes_on(
    engine: docker.APIClient, leave: Leave, caplog: pytest.LogCaptureFixture
) -> None:
    name = leave()

    class Odd(DockerEngine):
        def remove(self, name: str, *, ends: bool = False) -> None:
            if name == "nobody":
                raise ZeroDivisionError
            super().remove(name, ends=ends)

    with closing(Remover(lambda: Odd(load_settings()))) as remover:
        remover.remove("nobody")
        remover.remove(name)
        remover.settle()
    assert not is_there(engine, name)
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_what_waits_for_an_engine_that_is_away_is_counted_as_left_when_the_process_ends(
    checkpoint: Checkpoint, remover: Remover, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.hang_up_on(".*")
    near, far = socket.socketpair()
    with far, measuring() as measured, caplog.at_level(logging.DEBUG, "cellblock.remover"):
        for streams in ((), (near,), ()):
            remover.remove(new_name(), streams)
        remover.close()
        assert far.recv(1) == b""
    assert [one for one in measured if one == LEAK] == 3 * [LEAK]
    assert "3 cells are left to the reaper" in caplog.text


def test_a_cell_that_does_not_end_by_itself_is_killed_soon(
    checkpoint: Checkpoint, remover: Remover, leave: Leave, engine: docker.APIClient
) -> None:
    name = leave("sleep 600", start=True)
    near, far = socket.socketpair()
    began = time.monotonic()
    with far:
        remover.remove(name, (near,))
        remover.settle()
    assert time.monotonic() - began < 5 * PATIENCE
    assert not is_there(engine, name)
    assert len(checkpoint.made(WAIT)) == 1


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that holds the removals of `waiting` until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def waiting(gate: threading.Event, engine: docker.APIClient) -> Iterator[Remover]:
    """A remover that has begun the removal of one container and waits for the gate."""
    del engine
    at_work = threading.Event()

    class Gated(DockerEngine):
        def remove(self, name: str, *, ends: bool = False) -> None:
            at_work.set()
            gate.wait()
            super().remove(name, ends=ends)

    remover = Remover(lambda: Gated(load_settings()))
    remover.remove("nobody")
    at_work.wait(10)
    yield remover
    gate.set()
    remover.close()


def ends(thread: threading.Thread) -> bool:
    thread.join(0)
    return not thread.is_alive()


def beside(target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "begin",
    [Remover.await_room, lambda remover: remover.remove("nobody")],
    ids=["makes another one", "removes another one"],
)
def test_while_32_cells_are_to_be_removed_the_thread_waits_that(
    waiting: Remover, gate: threading.Event, begin: Callable[[Remover], None]
) -> None:
    for _ in range(31):
        waiting.remove_at_once("nobody")
    last = beside(lambda: waiting.remove("nobody"))
    wait_until(lambda: ends(last), 10, "there is room for one more")
    late = beside(lambda: begin(waiting))
    assert not becomes(lambda: ends(late), 0.3)
    gate.set()
    wait_until(lambda: ends(late), 10, "there is room")


def test_to_settle_is_to_wait_for_what_is_at_work_and_for_what_waits(
    waiting: Remover, gate: threading.Event
) -> None:
    at_work = beside(waiting.settle)
    assert not becomes(lambda: ends(at_work), 0.2)
    gate.set()
    wait_until(lambda: ends(at_work), 10, "nothing is left")


def test_a_remover_that_is_closed_has_no_thread_and_works_again(
    waiting: Remover, gate: threading.Event
) -> None:
    gate.set()
    waiting.settle()
    at_work = removers()
    waiting.close()
    assert removers() == at_work - 1
    waiting.remove("nobody")
    waiting.settle()
    assert removers() == at_work


def removers() -> int:
    """The number of remover threads in this process."""
    return [thread.name for thread in threading.enumerate()].count("cellblock-remover")


@pytest.mark.parametrize(
    ("endless", "least_s"),
    [("_QUIET_S", 0.45), ("_LONGEST_WAIT_S", 0.04)],
    ids=["half a second where jobs go on ending", "a moment where none does"],
)
def test_a_cell_goes_after(
    checkpoint: Checkpoint, remover: Remover, monkeypatch: pytest.MonkeyPatch, endless: str, least_s: float
) -> None:
    monkeypatch.setattr(f"sandbox.remover.{endless}", 600)
    began = time.monotonic()
    remover.remove("first")
    wait_until(lambda: checkpoint.made("DELETE /containers/first"), 3, "it goes")
    assert time.monotonic() - began > least_s


def test_a_crowd_waits_for_no_quiet_moment(
    checkpoint: Checkpoint, remover: Remover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.remover._QUIET_S", 600)
    monkeypatch.setattr("sandbox.remover._LONGEST_WAIT_S", 600)
    for number in range(17):
        assert not checkpoint.made(REMOVE)
        remover.remove(f"n{number}")
    wait_until(lambda: checkpoint.made("DELETE /containers/n0"), 10, "the first one goes")


def test_to_settle_or_to_close_waits_for_no_quiet_moment_and_what_comes_later_does_again(
    checkpoint: Checkpoint, remover: Remover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.remover._QUIET_S", 600)
    monkeypatch.setattr("sandbox.remover._LONGEST_WAIT_S", 600)
    remover.remove("first")
    remover.settle()
    assert checkpoint.made(REMOVE) == ["DELETE /containers/first"]
    remover.remove("second")
    assert not becomes(lambda: len(checkpoint.made(REMOVE)) > 1, 0.2)
    remover.close()
    assert len(checkpoint.made(REMOVE)) == 2


def test_a_remover_that_is_used_again_waits_for_its_engine_again(
    checkpoint: Checkpoint, remover: Remover, caplog: pytest.LogCaptureFixture
) -> None:
    remover.remove("first")
    remover.close()
    checkpoint.hang_up_on(".*")
    with caplog.at_level(logging.DEBUG, "cellblock.remover"):
        remover.remove("second")
        wait_until(lambda: len(checkpoint.calls) > 3, 10, "the engine was asked in vain")
        checkpoint.obey()
        remover.settle()
    assert checkpoint.made(REMOVE)[-1] == "DELETE /containers/second"
    assert caplog.records == []
