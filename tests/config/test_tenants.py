"""Tenants' names, weights and bounds, as an operator writes them."""

from __future__ import annotations

import pytest

from config import InvalidSetting, load_settings
from config.tenants import is_tenant, parse_weights


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a", True), ("A.b_c@d-9", True), ("x" * 64, True), ("", False), ("x" * 65, False), ("a b", False)],
)
def test_a_name_has_up_to_64_plain_characters(name: str, is_one: bool) -> None:
    assert is_tenant(name) is is_one


@pytest.mark.parametrize("name", [None, 5, ["a"], "ä", "a\n"])
def test_nothing_else_is_a_name(name: object) -> None:
    assert not is_tenant(name)


def test_weights_are_numbers_by_name() -> None:
    assert parse_weights("a=3, b=0.5") == {"a": 3.0, "b": 0.5}
    assert parse_weights("") == {}


@pytest.mark.parametrize(
    "text", ["a", "a=", "a=x", "a=0", "a=-1", "a=1001", "a=nan", "a=inf", "=1", "a=1,a=2"]
)
def test_a_malformed_weight_stops_the_worker(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_TENANT_WEIGHTS", text)
    with pytest.raises(InvalidSetting, match="CELLBLOCK_TENANT_WEIGHTS"):
        load_settings()


def test_queues_are_bounded_if_one_of_the_bounds_is_set() -> None:
    assert (load_settings().queue_bounds, load_settings().bounds_queues) == ((0, 0), False)
    assert load_settings(max_queued=5).queue_bounds == (5, 0)
    one = load_settings(tenant_max_queued=5)
    assert (one.queue_bounds, one.bounds_queues) == ((0, 5), True)


def test_workers_are_shared_if_the_operator_says_how() -> None:
    assert not load_settings().shares_workers
    assert load_settings(tenant_weights="a=2").shares_workers
    assert load_settings(tenant_max_running=2).shares_workers
