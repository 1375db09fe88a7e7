"""Expiry when somebody sets the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from config import load_settings
from sandbox import expiry as module
from sandbox.expiry import Expiry
from sandbox.labels import FoundLabels
from sandbox.process_mark import this_process

STEP_S = 300.0
NAME = "cellblock-1"


@dataclass
class Clocks:
    """The engine's clock, the reaper's monotonic clock, and the deadlines of a reaper that uses both."""

    engine: float = 1_700_000_000.0
    monotonic: float = 5000.0
    deadlines: Expiry = field(default_factory=lambda: Expiry(load_settings()))

    def pass_s(self, seconds: float) -> None:
        self.engine += seconds
        self.monotonic += seconds

    def label(self, left_s: float) -> dict[str, str]:
        return {"cellblock.deadline": f"{self.engine + left_s:.0f}"}

    def finds_due(self, labels: dict[str, str], name: str = NAME) -> bool:
        self.deadlines.begin_look(self.engine, [name])
        return self.deadlines.is_past(name, FoundLabels(labels))

    def finds_long_dead(self, ended: float, labels: dict[str, str] | None = None) -> bool:
        return self.deadlines.is_long_dead(NAME, FoundLabels(labels or {}), ended)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(module, "time", _Time(clocks))
    return clocks


@dataclass
class _Time:
    clocks: Clocks

    def monotonic(self) -> float:
        return self.clocks.monotonic


@pytest.mark.parametrize("step_s", [STEP_S, -STEP_S, 0.0])
def test_a_cell_that_was_seen_is_due_when_its_time_is_over_whatever_the_engines_clock_does(
    clocks: Clocks, step_s: float
) -> None:
    labels = clocks.label(60)
    assert not clocks.finds_due(labels)
    clocks.engine += step_s
    clocks.pass_s(55)
    assert not clocks.finds_due(labels)
    clocks.pass_s(10)
    assert clocks.finds_due(labels)


def test_a_cell_that_was_made_before_a_step_and_is_seen_after_it_is_not_due(clocks: Clocks) -> None:
    clocks.finds_due({}, "another")
    labels = clocks.label(60)
    clocks.engine += STEP_S
    clocks.pass_s(15)
    assert not clocks.finds_due(labels)


def test_a_cell_that_is_labelled_by_a_reading_from_before_the_step_is_not_due(clocks: Clocks) -> None:
    clocks.finds_due({}, "another")
    stale = clocks.label(60)
    clocks.engine += STEP_S
    clocks.finds_due({}, "another")
    clocks.pass_s(15)
    assert not clocks.finds_due(stale)


def test_a_while_after_a_step_the_engines_clock_is_believed_again(clocks: Clocks) -> None:
    clocks.finds_due({}, "another")
    clocks.engine += STEP_S
    for _ in range(10):
        clocks.pass_s(15)
        clocks.finds_due({}, "another")
    assert clocks.finds_due(clocks.label(-1))


def test_the_last_reading_from_before_a_step_is_used_however_long_ago_it_was_made(clocks: Clocks) -> None:
    clocks.finds_due({}, "another")
    clocks.pass_s(500)
    before = clocks.label(30)
    clocks.engine += STEP_S
    clocks.finds_due({}, "another")
    clocks.pass_s(1)
    assert not clocks.finds_due(before)


@pytest.mark.parametrize("deadline", ["soon", "nan", "-inf", "", "-1e999", "0"])
def test_a_label_that_names_no_moment_ahead_protects_nothing(clocks: Clocks, deadline: str) -> None:
    assert clocks.finds_due({"cellblock.deadline": deadline})


@pytest.mark.parametrize("deadline", ["inf", "1e300", "9" * 400, "4000000000"])
def test_a_label_that_is_far_ahead_protects_for_a_day(clocks: Clocks, deadline: str) -> None:
    labels = {"cellblock.deadline": deadline}
    assert not clocks.finds_due(labels)
    clocks.pass_s(86_400 + 1)
    assert clocks.finds_due(labels)


def test_what_a_process_made_that_lives_here_is_left_to_it_when_a_reaper_begins_after_a_step(
    clocks: Clocks,
) -> None:
    labels = clocks.label(60) | {"cellblock.process": this_process()}
    clocks.engine += STEP_S
    assert not clocks.finds_due(labels)


def test_a_cell_that_has_just_died_is_not_long_dead_after_a_step(clocks: Clocks) -> None:
    clocks.finds_due({}, NAME)
    died = clocks.engine
    clocks.engine += STEP_S
    clocks.finds_due({}, NAME)
    assert not clocks.finds_long_dead(died)
    clocks.pass_s(31)
    clocks.finds_due({}, NAME)
    assert clocks.finds_long_dead(died)


@pytest.mark.parametrize(("later_s", "is_long"), [(29, False), (31, True)])
def test_what_was_seen_dead_is_long_dead_after_two_margins(
    clocks: Clocks, later_s: float, *, is_long: bool
) -> None:
    clocks.finds_due({}, NAME)
    assert not clocks.finds_long_dead(clocks.engine)
    clocks.pass_s(later_s)
    clocks.finds_due({}, NAME)
    assert clocks.finds_long_dead(clocks.engine) is is_long


@pytest.mark.parametrize(("ago_s", "is_long"), [(29, False), (31, True)])
def test_a_reaper_that_has_just_begun_believes_when_something_ended(
    clocks: Clocks, ago_s: float, *, is_long: bool
) -> None:
    clocks.finds_due({}, NAME)
    assert clocks.finds_long_dead(clocks.engine - ago_s) is is_long


def test_of_what_a_process_made_that_lives_here_it_believes_nothing(clocks: Clocks) -> None:
    """The process may have made the cell a moment ago, just before the engine's clock was set."""
    labels = {"cellblock.process": this_process()}
    clocks.finds_due(labels)
    assert not clocks.finds_long_dead(clocks.engine - STEP_S, labels)
    clocks.pass_s(31)
    assert clocks.finds_long_dead(clocks.engine, labels)


def test_one_that_has_looked_before_does_not(clocks: Clocks) -> None:
    for _ in range(2):
        clocks.finds_due({}, NAME)
    assert not clocks.finds_long_dead(clocks.engine - 1000)


def test_a_deadline_is_past_the_moment_after_it(clocks: Clocks) -> None:
    labels = clocks.label(60)
    assert not clocks.finds_due(labels)
    clocks.pass_s(60)
    assert not clocks.finds_due(labels)
    clocks.pass_s(0.1)
    assert clocks.finds_due(labels)


def test_what_was_removed_is_forgotten_and_its_name_is_anothers_later(clocks: Clocks) -> None:
    clocks.finds_due(clocks.label(10))
    clocks.finds_long_dead(clocks.engine)
    clocks.pass_s(60)
    clocks.finds_due({}, "another")
    assert not clocks.finds_due(clocks.label(10))
    assert not clocks.finds_long_dead(clocks.engine)


@pytest.mark.parametrize(("later_s", "is_due"), [(69, False), (71, True)])
def test_a_step_is_remembered_for_as_long_as_a_makers_reading_holds_and_four_margins(
    clocks: Clocks, later_s: float, *, is_due: bool
) -> None:
    clocks.finds_due({}, "another")
    clocks.engine += STEP_S
    clocks.finds_due({}, "another")
    clocks.pass_s(later_s)
    clocks.finds_due({}, "another")
    assert clocks.finds_due(clocks.label(-1)) is is_due


def test_a_label_may_be_as_far_ahead_as_the_longest_job_and_the_wait_for_it() -> None:
    settings = load_settings(max_timeout=200_000, warm_age=1000)
    assert Expiry(settings)._most_s == settings.longest.reap_s + 1000
    assert settings.longest.reap_s > 200_000
