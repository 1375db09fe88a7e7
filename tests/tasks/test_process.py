"""Which attempt a process ends when a task ends, even if it runs other tasks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tasks.process import ProcessState


class Attempt:
    """An attempt that records each call of `end`."""

    def __init__(self, task_id: str, *, has_lease: bool = True) -> None:
        self.task_id, self.has_lease = task_id, has_lease
        self.ended: list[bool] = []

    def end(self, *, done: bool) -> None:
        self.ended.append(done)


def begun(process: ProcessState, task_id: str, *, has_lease: bool = True) -> Attempt:
    attempt: Any = Attempt(task_id, has_lease=has_lease)
    process.begin_attempt(attempt)
    return attempt  # type: ignore[no-any-return]


def test_an_attempt_is_ended_once_and_by_its_own_task(process: ProcessState) -> None:
    process.end_attempt("none yet", done=True)
    attempt = begun(process, "own")
    process.end_attempt("another", done=False)
    process.end_attempt("own", done=True)
    process.end_attempt("own", done=False)
    assert attempt.ended == [True]


def test_an_eager_task_inside_a_task_leaves_its_attempt_alone(process: ProcessState) -> None:
    outer = begun(process, "outer")
    inner = begun(process, "inner", has_lease=False)
    process.end_attempt("inner", done=True)
    assert (outer.ended, inner.ended) == ([], [])
    process.end_attempt("outer", done=False)
    assert outer.ended == [False]


def test_two_threads_that_have_one_task_each_end_their_own_attempt(process: ProcessState) -> None:
    mine = begun(process, "twice")
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(begun, process, "twice").result()
        other.submit(process.end_attempt, "twice", done=True).result()
        assert (mine.ended, theirs.ended) == ([], [True])
    process.end_attempt("twice", done=False)
    assert mine.ended == [False]


def test_a_sandbox_is_made_once_and_a_new_one_after_it_was_closed(
    process: ProcessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    first = process.sandbox()
    assert process.sandbox() is first
    process.close_sandbox()
    assert process.sandbox() is not first
    process.close_sandbox()
    process.close_sandbox()
