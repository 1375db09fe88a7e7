"""How a worker's pool writes a job to a process. The pool and its processes are real."""

from __future__ import annotations

import gc
import os
import signal
from multiprocessing import util
from typing import TYPE_CHECKING, Any

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from tasks.pool.prefork import Pool
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Pooled:
    """A pool of two processes. The test itself runs each turn of the event loop."""

    def __init__(self) -> None:
        # Before the processes are forked, so that they have them too.
        self.gates = [os.pipe(), os.pipe()]
        self.hub = Hub()
        set_event_loop(self.hub)
        self.pool: Any = Pool(processes=2, threads=False, synack=False)
        self.pool.register_with_event_loop(self.hub)
        self.answers: list[Any] = []
        self._loop = self.hub.create_loop()
        # Each turn has something to do, so that none waits for long.
        self.hub.call_repeatedly(0.02, lambda: None)

    def send(self, function: Any = os.getpid, *args: object) -> Any:
        return self.pool.apply_async(function, args, callback=self.answers.append)

    def send_to_gate(self, number: int) -> Any:
        """Send a job that ends when its gate is opened."""
        return self.send(os.read, self.gates[number][0], 1)

    def open_gate(self, number: int) -> None:
        os.write(self.gates[number][1], b"!")

    def turn_once(self) -> None:
        next(self._loop)

    def turn_until(self, is_so: Callable[[], object], what: str) -> None:
        def turn() -> object:
            self.turn_once()
            return is_so()

        wait_until(turn, 5, what)

    def turn_until_answered(self, count: int) -> None:
        self.turn_until(lambda: len(self.answers) == count, f"{count} answers")

    def close(self) -> None:
        for process in self.pool._pool:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        # There is nothing left for it to end when this process exits.
        self.pool._terminate.cancel()
        self.hub.close()
        for descriptor in (*self.gates[0], *self.gates[1]):
            os.close(descriptor)

    @property
    def pids(self) -> set[int]:
        return {process.pid for process in self.pool._pool}

    @property
    def watched(self) -> set[int]:
        """The pipes to processes that the loop waits for."""
        return set(self.pool._all_inqueues) & self.hub.writers.keys()


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pooled]:
    # A forked process would close the connections that other tests have left, and wait for their answers.
    monkeypatch.setattr(util, "_afterfork_registry", {})
    before = get_event_loop()
    # Celery collects garbage before each fork, which takes seconds with all that a test run holds.
    gc.freeze()
    one = Pooled()
    one.turn_until(lambda: len(one.pool._all_inqueues) == 2, "both processes are there")
    yield one
    one.close()
    gc.unfreeze()
    set_event_loop(before)


def test_a_job_is_written_to_an_idle_process_at_once(pooled: Pooled) -> None:
    first, second = pooled.send(), pooled.send()
    assert {first._write_to.pid, second._write_to.pid} == pooled.pids
    pooled.turn_until_answered(2)
    assert set(pooled.answers) == pooled.pids


def test_a_job_waits_while_all_processes_are_busy_and_is_written_to_the_first_that_is_idle(
    pooled: Pooled,
) -> None:
    jobs = [pooled.send_to_gate(0), pooled.send_to_gate(1), pooled.send()]
    assert [bool(job._write_to) for job in jobs] == [True, True, False]
    pooled.open_gate(0)
    pooled.turn_until_answered(2)
    assert pooled.answers == [b"!", jobs[0]._write_to.pid]


def test_no_pipe_is_watched_while_no_job_waits(pooled: Pooled) -> None:
    """A pipe to a busy process is nearly always writable, so that the loop would spin."""
    pooled.send_to_gate(0), pooled.send_to_gate(1), pooled.send()
    pooled.open_gate(0)
    pooled.turn_until_answered(2)
    pooled.turn_once()
    assert pooled.watched == set()


def test_a_job_for_a_process_that_has_just_died_is_run_by_another(pooled: Pooled) -> None:
    dead = list(pooled.pool._pool)
    for process in dead:
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not any(process.is_alive() for process in dead), 5, "the processes are dead")
    assert pooled.send()._write_to in dead
    pooled.turn_until_answered(1)
    assert pooled.answers[0] in pooled.pids - {process.pid for process in dead}


def test_a_pool_that_is_closed_writes_nothing(pooled: Pooled, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(pooled.pool, "_write", written.append)
    pooled.pool.close()
    assert (pooled.send(), written) == (None, [])


def test_the_loop_is_known_again_after_the_broker_was_away(pooled: Pooled) -> None:
    pooled.hub.reset()
    pooled.pool.register_with_event_loop(pooled.hub)
    assert get_event_loop() is pooled.hub


def test_a_turn_without_a_job_leaves_the_pipes_alone(pooled: Pooled, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[int] = []
    monkeypatch.setattr(pooled.hub, "remove_writer", touched.append)
    pooled.turn_once()
    assert touched == []
