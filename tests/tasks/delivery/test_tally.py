"""An event that happens very often is logged once a minute, with the number of times."""

from __future__ import annotations

from tasks.delivery.tally import Tally


def test_the_first_is_said_at_once_and_the_rest_after_a_minute_with_their_number() -> None:
    said: list[str] = []
    now = [0.0]
    tally = Tally(said.append, clock=lambda: now[0])
    for number in range(5):
        tally.note("queue", f"message {number}")
    assert said == ["message 0"]
    now[0] = 61
    tally.flush()
    tally.flush()
    assert said == ["message 0", "message 4 (4 like it since the last such line)"]
    tally.note("queue", "message 5")
    tally.note("queue", "message 6")
    now[0] = 122
    tally.flush()
    assert said[2:] == ["message 6 (2 like it since the last such line)"]


def test_what_is_different_each_time_is_not_said_each_time() -> None:
    said: list[str] = []
    tally = Tally(said.append, clock=lambda: 0.0)
    for number in range(1000):
        tally.note(str(number), "sentence")
    assert len(said) <= 101


def test_a_minute_is_sixty_seconds_and_kinds_do_not_wait_for_each_other() -> None:
    said: list[str] = []
    now = [100.0]
    tally = Tally(said.append, clock=lambda: now[0])
    tally.note("a", "a1")
    tally.note("b", "b1")
    now[0] += 59.9
    tally.note("a", "a2")
    assert said == ["a1", "b1"]
    now[0] += 0.1
    tally.flush()
    assert said == ["a1", "b1", "a2"]
    tally.note("b", "b2")
    assert said[3:] == ["b2"]


def test_a_hundred_kinds_are_told_apart_and_those_known_stay_so() -> None:
    said: list[str] = []
    now = [100.0]
    tally = Tally(said.append, clock=lambda: now[0])
    for number in range(102):
        tally.note(str(number), f"s{number}")
    assert len(said) == 101
    now[0] += 60
    tally.note("5", "again")
    assert said[-2:] == ["s101", "again"] or said[-1] == "again"
    assert len(tally._said) == 101
    assert not tally._waiting
    assert not tally._last
