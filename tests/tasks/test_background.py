"""Calls that a worker's event loop hands to a thread: in order, each once, even if one raises."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sandbox.threads import start_thread
from tasks import background as under_test
from tasks.background import Background
from tests.waiting import wait_until


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(1), KeyboardInterrupt()])
def test_one_that_fails_is_told_of_and_keeps_no_other_from_its_turn(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    done: list[object] = []

    def fail() -> None:
        raise error

    background = Background()
    background.add(fail)
    background.add(done.append, 1)
    wait_until(lambda: done, 5, "the next one was run")
    assert "A call in the background failed" in caplog.text
    assert caplog.records[0].exc_info


def test_they_are_run_one_after_the_other_beside_the_caller() -> None:
    done: list[tuple[int, str]] = []
    background = Background()
    for number in range(100):
        background.add(lambda number: done.append((number, threading.current_thread().name)), number)
    wait_until(lambda: len(done) == 100, 5, "all were run")
    assert done == [(number, "cellblock-background") for number in range(100)]


def test_one_thread_runs_them_and_another_where_that_has_died() -> None:
    background, done = Background(), threading.Event()
    background.add(done.set)
    assert done.wait(5)
    thread = background._thread
    background.add(done.set)
    assert background._thread is thread
    dead = threading.Thread()
    dead.start()
    dead.join()
    background._thread, again = dead, threading.Event()
    background.add(again.set)
    assert background._thread is not dead
    background.add(again.set)
    assert again.wait(5)


def test_the_first_one_may_give_another_and_one_thread_runs_both(monkeypatch: pytest.MonkeyPatch) -> None:
    background, given, done = Background(), threading.Event(), threading.Event()
    started: list[threading.Thread] = []

    def start_and_look_away(*about: Any, **options: Any) -> threading.Thread:
        started.append(start_thread(*about, **options))
        given.wait(0.2)
        return started[-1]

    def first() -> None:
        background.add(done.set)
        given.set()

    monkeypatch.setattr(under_test, "start_thread", start_and_look_away)
    background.add(first)
    assert (done.wait(5), len(started)) == (True, 1)
