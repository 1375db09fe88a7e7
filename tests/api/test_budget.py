"""The memory and the connections that requests share."""

from __future__ import annotations

import pytest

from api.budget import Budget, Open
from api.callers import Caller
from api.caps import Caps
from api.problems import Problem


def test_what_a_request_held_is_free_once_it_is_over() -> None:
    budget = Budget(100)
    with budget.share() as share:
        share.take(60)
        share.take(40)
        assert budget.held_bytes == 100
    assert budget.held_bytes == 0


def test_a_request_that_would_hold_too_much_beside_others_is_told_to_come_again() -> None:
    budget = Budget(100)
    with budget.share() as first, budget.share() as second:
        first.take(60)
        with pytest.raises(Problem) as refused:
            second.take(41)
        second.take(40)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    assert budget.held_bytes == 0


def test_the_only_request_is_served_however_large_it_is() -> None:
    budget = Budget(100)
    with budget.share() as share:
        share.take(1000)
        assert budget.held_bytes == 1000


def test_each_tenant_has_its_own_number_of_streams_whichever_way_they_end() -> None:
    opened, alice, bob = Open(), Caller("alice", Caps(streams=1)), Caller("bob", Caps(streams=1))
    with opened.one(alice), opened.one(bob):
        assert opened.total == 2
        with pytest.raises(Problem, match="1 streams and waits open"), opened.one(alice):
            pass
    with pytest.raises(ZeroDivisionError), opened.one(alice):
        raise ZeroDivisionError
    assert opened.total == 0
