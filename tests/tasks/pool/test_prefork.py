"""The parts of a worker's pool: how far it grows, and what its processes and their parent log."""

from __future__ import annotations

import signal
import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from billiard.pool import ACK, SIG_SOFT_TIMEOUT

from sandbox import EngineUnfit, EngineUnreachable
from tasks.pool import autoscaler, whole_messages
from tasks.pool import prefork as of_pool
from tasks.pool import resting_limits as limits
from tasks.pool.autoscaler import Autoscaler
from tasks.pool.prefork import Pool, _Worker
from tasks.settings import this_settings

if TYPE_CHECKING:
    pass

AWAY, FULL = EngineUnreachable("No engine."), EngineUnfit("no space left on device")


class Worker:
    """The attributes of a worker that an autoscaler reads."""

    def __init__(self) -> None:
        self.max_concurrency = 0
        self.consumer = None


@pytest.mark.parametrize(
    ("most", "fit", "bound", "warns"), [(4, 9, 4, 0), (4, 4, 4, 0), (9, 4, 4, 1), (9, 1, 2, 1)]
)
def test_a_pool_grows_as_far_as_was_asked_for_and_as_the_host_can_hold(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    most: int,
    fit: int,
    bound: int,
    warns: int,
) -> None:
    monkeypatch.setattr(autoscaler, "jobs_that_fit", lambda *_: fit)
    worker, pool = Worker(), SimpleNamespace(num_processes=2)
    scaler: Any = Autoscaler(pool, most, 2, worker)
    assert (worker.max_concurrency, scaler.max_concurrency, scaler.min_concurrency) == (bound, bound, 2)
    assert (scaler.keepalive, scaler.worker, len(caplog.records)) == (10.0, worker, warns)
    other: Any = Autoscaler(pool, most, 2, worker, keepalive=3)
    assert other.keepalive == 3


class Parent(Pool):
    """The parent of a pool that has no processes."""

    def __init__(self, **jobs: Any) -> None:
        self._cache = {1: SimpleNamespace(_soft_timeout=5, _timeout=9, _time_accepted=0.0)}
        self.told: list[Any] = []
        self.on_timeout_cancel = lambda result: self.told.append("cancel")
        self.on_timeout_set = lambda result, soft, hard: self.told.append((soft, hard))


def test_limits_rest_for_as_long_as_a_result_is_kept_and_are_whole_when_they_go_on() -> None:
    parent = Parent()
    result = parent._cache[1]
    parent._suspend(1)
    assert (result._soft_timeout, result._timeout) == (0, 0)
    parent._suspend(1)
    parent._resume(1)
    assert (result._soft_timeout, result._timeout) == (5, 9)
    assert abs(result._time_accepted - time.monotonic()) < 5
    kept_s = this_settings().result_expires
    assert parent.told == ["cancel", (None, kept_s), "cancel", (None, kept_s), "cancel", (5, 9)]
    parent._suspend(2)
    parent._resume(2)
    assert len(parent.told) == 6


@pytest.mark.parametrize(
    ("closed", "partial", "flushed"), [(False, True, 0), (False, False, 1), (True, True, 1)]
)
def test_what_a_dead_process_has_left_is_read_unless_it_is_half_a_message(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    closed: bool,
    partial: bool,
    flushed: int,
) -> None:
    parent: Any = Parent()
    parent._result_handler = SimpleNamespace(_finish_partial_read=lambda *_: partial)
    proc = SimpleNamespace(outq=SimpleNamespace(_reader=SimpleNamespace(closed=closed)), outqR_fd=5)
    read: list[Any] = []

    def flush(_: Any, proc: Any) -> None:
        read.append(proc)
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "a secret")

    monkeypatch.setattr(Pool.__mro__[1], "process_flush_queues", flush)
    parent.process_flush_queues(proc)
    assert len(read) == flushed
    assert (
        caplog.messages
        == ["A process was killed while it wrote to its parent (UnicodeDecodeError)"] * flushed
    )


@pytest.mark.parametrize("fails", [False, True])
def test_a_job_that_was_written_to_a_process_is_kept_when_the_broker_is_gone(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Celery keeps a job that was accepted. One is begun while Celery forgets the others."""
    written, begun, waiting = (
        SimpleNamespace(_write_to=process, _accepted=False, _worker_pid=None) for process in ("1", "2", None)
    )
    parent: Any = Parent()
    parent._cache = {1: written, 2: begun, 3: waiting}
    kept: list[int] = []

    def forget(_: Any) -> None:
        kept.extend(number for number, job in parent._cache.items() if job._accepted)
        begun._worker_pid = 7
        if fails:
            raise BrokenPipeError

    monkeypatch.setattr(Pool.__mro__[1], "flush", forget)
    with pytest.raises(BrokenPipeError) if fails else nullcontext():
        parent.flush()
    assert kept == [1, 2]
    assert [job._accepted for job in (written, begun, waiting)] == [False, True, False]


def test_a_process_knows_its_job_and_tells_its_parent_of_limits_that_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[Any] = []
    mine = limits.Limits()
    for module in (of_pool, whole_messages):
        monkeypatch.setattr(module, "limits", mine)
    monkeypatch.setattr(_Worker.__mro__[1], "after_fork", lambda _: None)
    process: Any = object.__new__(_Worker)
    process.outq = SimpleNamespace(put=said.append)
    before = signal.getsignal(SIG_SOFT_TIMEOUT)
    try:
        process.after_fork()
        assert signal.getsignal(SIG_SOFT_TIMEOUT) == mine.strike
    finally:
        signal.signal(SIG_SOFT_TIMEOUT, before)
    process.outq.put((ACK, (7, 1, 2, 3, 4)))
    mine.suspend()
    assert said == [(ACK, (7, 1, 2, 3, 4)), (limits.SUSPEND, (7,))]


def test_the_pool_hears_of_limits_that_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    parent: Any = Parent()
    handler = SimpleNamespace(state_handlers={1: "billiard's"})
    monkeypatch.setattr(Pool.__mro__[1], "create_result_handler", lambda _: handler)
    handlers = parent.create_result_handler().state_handlers
    assert handlers == {1: "billiard's", limits.SUSPEND: parent._suspend, limits.RESUME: parent._resume}
