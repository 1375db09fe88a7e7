"""The parts of a worker's main process, each alone: its engine gate, its health file and its samples."""

from __future__ import annotations

import json
import logging
import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.worker import state as of_worker

from sandbox import EngineUnfit, EngineUnreachable, threads
from sandbox.outage import Outage
from sandbox.warm import Sight
from tasks import engine_watch
from tasks.engine_gate import EngineAway
from tasks.engine_watch import EngineWatch
from tasks.observe import health_file
from tasks.observe.health_file import HealthFile
from tasks.observe.task_metrics import samples_of
from tasks.settings import this_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.engine_gate import EngineGate
    from tasks.process import ProcessState

AWAY, FULL = EngineUnreachable("No engine."), EngineUnfit("no space left on device")


class Timer:
    """A timer that records the repeated calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Any, tuple[Any, ...]]] = []
        self.cancelled = 0

    def call_repeatedly(self, seconds: float, call: Any, args: tuple[Any, ...] = ()) -> Any:
        self.calls.append((seconds, call, args))
        return self

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def gate(process: ProcessState) -> EngineGate:
    """The engine gate of this process."""
    return process.engine_gate


class TaskConsumer:
    """A worker's consumer. It records its calls; its channel has the attributes that a test gives."""

    def __init__(self, **channel: Any) -> None:
        self.channel = SimpleNamespace(**channel)
        self.told: list[str] = []
        self.on_message: object = None

    def consume(self) -> None:
        self.told.append("consume")

    def cancel(self) -> None:
        self.told.append("cancel")


@pytest.mark.parametrize("room", [True, False])
def test_a_channel_of_redis_takes_nothing_while_the_gate_is_shut(gate: EngineGate, room: bool) -> None:
    qos = SimpleNamespace(can_consume=lambda: room)
    taking = TaskConsumer(qos=qos, unacked_key="unacked")
    consumer: Any = SimpleNamespace(task_consumer=taking, timer=Timer())
    watch = EngineWatch(consumer)
    watch.start(consumer)
    assert qos.can_consume() is room
    gate.shut(AWAY)
    assert (qos.can_consume(), taking.told) == (False, [])
    ((seconds, call, args),) = consumer.timer.calls
    assert (seconds, args) == (1.0, (consumer,))
    call(*args)
    watch.stop(consumer)
    assert consumer.timer.cancelled == 1


def test_a_broker_that_sends_by_itself_is_told_to_stop_and_to_go_on(
    gate: EngineGate, process: ProcessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    sights = iter([Sight(1.0, "nobody there"), None, Sight(time.monotonic() + 60)])
    monkeypatch.setattr(process, "keeper_sight", lambda: next(sights))
    taking = TaskConsumer()
    consumer: Any = SimpleNamespace(task_consumer=taking, timer=Timer())
    watch = EngineWatch(consumer)
    watch.stop(consumer)
    watch.start(consumer)
    assert taking.told == [], "nobody takes what comes before Celery's loop has begun"
    taking.on_message = print
    watch._look(consumer)
    watch._look(consumer)
    assert taking.told == ["cancel", "consume"]
    consumer.task_consumer, gate_was = None, gate.is_open
    monkeypatch.setattr(process, "keeper_sight", lambda: None)
    watch._look(consumer)
    assert gate_was


def test_of_a_job_that_is_given_back_no_traceback_is_logged() -> None:
    log: Any = logging.getLogger("celery.app.trace")
    before = list(log.filters)
    engine_watch.log_outages_once()
    (added,) = [one for one in log.filters if one not in before] or [engine_watch._is_news]
    for error, is_told in ((EngineAway(Outage(AWAY)), False), (ValueError(), True)):
        record = logging.makeLogRecord({"exc_info": (type(error), error, None)})
        assert bool(added(record)) is is_told
    assert added(logging.makeLogRecord({}))
    log.removeFilter(added)


def test_a_gate_that_a_job_has_met_again_is_opened_by_a_later_look_alone(
    gate: EngineGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    now: Any = SimpleNamespace(s=1000.0)
    now.monotonic = lambda: now.s
    monkeypatch.setattr("tasks.engine_gate.time", now)
    gate.look(None)
    gate.note_success()
    assert gate.is_open
    gate.shut(FULL)
    now.s += 4.9
    assert not gate.is_open
    now.s += 0.1
    assert gate.is_open
    gate.look(Sight(2000.0))
    assert gate.trouble
    gate.shut(AWAY)
    gate.look(Sight(now.s))
    assert not gate.is_open
    gate.look(Sight(now.s + 0.1))
    assert (gate.is_open, gate.trouble) == (True, None)
    assert EngineAway(Outage(AWAY), requeue=False).args == (Outage(AWAY), False)


@pytest.fixture
def beating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: EngineGate) -> Any:
    """The path of the health file that the settings name."""
    file = tmp_path / "pulse"
    monkeypatch.setenv("CELLBLOCK_HEARTBEAT", str(file))
    this_settings.cache_clear()
    return file


def test_a_pulse_is_beaten_at_once_and_every_two_seconds_until_the_broker_is_away(beating: Any) -> None:
    consumer: Any = SimpleNamespace(timer=Timer())
    step = HealthFile(consumer)
    assert step.include_if(consumer)
    step.stop(consumer)
    step.start(consumer)
    about = json.loads(beating.read_text())
    assert (about["pid"], about["bound_s"], about["trouble"]) == (
        os.getpid(),
        this_settings().heartbeat_bound,
        None,
    )
    assert all(abs(about[sign] - time.monotonic()) < 5 for sign in ("loop", "keeper"))
    assert [seconds for seconds, *_ in consumer.timer.calls] == [2.0]
    assert [path.name for path in beating.parent.iterdir()] == ["pulse"]
    step.stop(consumer)
    assert consumer.timer.cancelled == 1
    health_file.remove_health_file()
    health_file.remove_health_file()
    assert not beating.exists()


@pytest.mark.parametrize(("alive", "renewed"), [(True, True), (None, True), (False, False)])
def test_a_keeper_that_is_dead_is_a_sign_that_gets_old(
    beating: Any,
    process: ProcessState,
    monkeypatch: pytest.MonkeyPatch,
    alive: bool | None,
    renewed: bool,
) -> None:
    monkeypatch.setattr(process, "keeper_is_alive", lambda: alive)
    step = HealthFile(SimpleNamespace())
    # A keeper has the whole bound for its start.
    assert abs(step._seen["keeper"] - time.monotonic()) < 5
    step._seen = {"loop": 1.0, "keeper": 1.0}
    step._beat()
    about = json.loads(beating.read_text())
    assert (about["loop"] > 1.0, about["keeper"] > 1.0) == (True, renewed)


def test_a_pulse_says_which_thread_has_died_or_why_no_jobs_are_taken(
    gate: EngineGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.shut(AWAY)
    assert str(health_file._trouble()).startswith("no jobs are taken, for 0 s now. No engine.")
    monkeypatch.setattr(threads, "_dead", ["cellblock-x", "cellblock-y"])
    assert health_file._trouble() == "its thread cellblock-x has died: see its log, and start it again."


def test_no_pulse_is_beaten_where_the_operator_names_no_file() -> None:
    assert not HealthFile(SimpleNamespace()).include_if(None)
    health_file.remove_health_file()


@pytest.mark.parametrize(
    ("alive", "processes", "expected"),
    [
        (True, 3, {"cellblock_processes": 3, "cellblock_keeper_up": 1.0, "cellblock_engine_up": 1.0}),
        (False, None, {"cellblock_keeper_up": 0.0, "cellblock_engine_up": 0.0}),
        (None, 1, {"cellblock_processes": 1, "cellblock_engine_up": 1.0}),
    ],
)
def test_the_samples_of_a_worker_are_what_it_has(
    gate: EngineGate,
    process: ProcessState,
    monkeypatch: pytest.MonkeyPatch,
    alive: bool | None,
    processes: int | None,
    expected: dict[str, float],
) -> None:
    pool = SimpleNamespace() if processes is None else SimpleNamespace(num_processes=processes)
    monkeypatch.setattr(of_worker, "active_requests", {1, 2})
    queue_depth: Any = SimpleNamespace(measure=lambda: [("more", 5, {})])
    if not expected["cellblock_engine_up"]:
        gate.shut(AWAY)
    monkeypatch.setattr(process, "keeper_is_alive", lambda: alive)
    told = {name: value for name, value, _ in samples_of(SimpleNamespace(pool=pool), queue_depth)}
    assert told == {"cellblock_jobs_in_flight": 2, "more": 5, **expected}
