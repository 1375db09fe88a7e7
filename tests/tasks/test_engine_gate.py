"""When the engine gate of a worker is shut, and for how long."""

from __future__ import annotations

import logging
import pickle

import pytest

from sandbox import EngineUnfit, EngineUnreachable
from sandbox.outage import Outage
from sandbox.warm import Sight
from tasks.engine_gate import EngineAway, EngineGate
from tests.clock import Clock

AWAY, FULL = EngineUnreachable("No container engine answers."), EngineUnfit("no space left on device")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tasks.engine_gate.time", clock)
    return clock


def test_it_opens_when_the_engine_was_asked_after_the_last_job_met_it_and_not_before(clock: Clock) -> None:
    gate = EngineGate()
    gate.shut(AWAY)
    gate.look(Sight(999.0))
    assert not gate.is_open
    gate.look(Sight(1001.0))
    assert gate.is_open


def test_an_outage_is_told_twice_however_many_jobs_meet_it(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    gate = EngineGate()
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            gate.shut(AWAY)
        gate.look(Sight(1030.0, "still none"))
        clock.now_s += 61
        gate.look(Sight(1060.5))
    assert [record.getMessage() for record in caplog.records] == [
        f"The engine is away, and no jobs are taken until it is back: {AWAY}",
        "The engine is back after 61 s, and jobs are taken again",
    ]


def test_its_trouble_says_why_and_since_when(clock: Clock) -> None:
    gate = EngineGate()
    assert gate.trouble is None
    gate.look(Sight(1000.0, "nobody there"))
    clock.now_s += 7
    assert gate.trouble == "no jobs are taken, for 7 s now. nobody there"


def test_an_engine_that_is_full_is_tried_by_a_job_less_and_less_often_until_one_succeeds(
    clock: Clock,
) -> None:
    gate, waits = EngineGate(), []
    gate.shut(FULL)
    for _ in range(8):
        gate.look(Sight(clock.now_s + 1))
        began = clock.now_s
        while not gate.is_open:
            clock.now_s += 0.5
        waits.append(clock.now_s - began)
        gate.shut(FULL)
    assert (waits[0], waits == sorted(waits), waits[-1]) == (5.0, True, 60.0)
    assert gate.trouble
    gate.note_success()
    assert gate.is_open
    gate.shut(FULL)
    assert str(gate.trouble).startswith("no jobs are taken, for 0 s")


def test_a_job_that_is_given_back_says_so_to_the_main_process_as_well() -> None:
    sent = pickle.loads(pickle.dumps(EngineAway(Outage(FULL))))
    assert (type(sent), sent.requeue, type(sent.outage.why)) == (EngineAway, True, EngineUnfit)
