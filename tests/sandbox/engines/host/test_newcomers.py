"""Which processes count as started since some moment."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from sandbox.engines.host import newcomers as under_test
from sandbox.engines.host.newcomers import Newcomers

if TYPE_CHECKING:
    from collections.abc import Iterator


PIDS = [1, 2, 99, 100, 150, 200, 4000]


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The kernel's newest process number and its count of forks, which a test sets."""
    numbers = {"newest": 100, "forks": 1000}
    monkeypatch.setattr(under_test, "_recent_forks", under_test._RecentForks())
    monkeypatch.setattr(under_test, "_newest", lambda: numbers["newest"])
    monkeypatch.setattr(under_test, "_forks", lambda: numbers["forks"])
    monkeypatch.setattr("psutil.pids", lambda: list(PIDS))
    return numbers


def test_a_process_that_was_started_since_is_found_and_an_older_one_is_not() -> None:
    since = Newcomers()
    with subprocess.Popen(["sleep", "60"]) as process:
        found = list(since())
        process.kill()
    assert (process.pid in found, os.getpid() in found) == (True, False)


def test_a_process_that_ran_before_is_not_found(child: int) -> None:
    with subprocess.Popen(["true"]):
        since = Newcomers()
    assert child not in since()


def test_few_numbers_are_all_tried(numbers: dict[str, int]) -> None:
    since = Newcomers()
    numbers["newest"] = 103
    assert list(since()) == [101, 102, 103]


def test_of_many_numbers_only_those_of_running_processes_are_tried(numbers: dict[str, int]) -> None:
    since = Newcomers()
    numbers["newest"] = 200
    assert list(since()) == [150, 200]


def test_after_the_highest_number_the_lowest_ones_are_new(numbers: dict[str, int]) -> None:
    since = Newcomers()
    numbers["newest"] = 1
    assert list(since()) == [1, 150, 200, 4000]


def test_where_all_numbers_may_have_been_used_every_process_is_tried(
    numbers: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_SURE_S", 0.0)
    since = Newcomers()
    numbers |= {"newest": 103, "forks": 1 << 40}
    assert list(since()) == PIDS


@pytest.mark.parametrize(("known", "found"), [(None, []), (150, PIDS)])
def test_where_the_newest_number_is_not_told_every_process_is_tried(
    numbers: dict[str, int], known: int | None, found: list[int]
) -> None:
    """As with gVisor's kernel, which always says 0."""
    numbers["newest"] = 0
    since = Newcomers()
    since.known = known
    assert list(since()) == found


def test_forks_are_counted_again_after_ten_seconds_and_never_for_a_later_moment(
    numbers: dict[str, int],
) -> None:
    recent = under_test._RecentForks()
    counts = []
    for moment, forks in ((100.0, 5), (110.0, 6), (110.1, 7), (120.0, 8)):
        numbers["forks"] = forks
        counts.append(recent.at_least(moment))
    assert counts == [5, 5, 7, 7]


def test_a_process_that_was_started_after_a_look_shows(numbers: dict[str, int]) -> None:
    since = Newcomers()
    assert not since.are_more()
    numbers["newest"] = 101
    assert since.are_more()
    since()
    assert not since.are_more()
