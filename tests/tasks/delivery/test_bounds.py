"""When a publisher that was refused may come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kombu import Connection

from tasks.delivery.bounds import bounded_transport, full, note_pace
from tests.clock import Clock

if TYPE_CHECKING:
    import redis


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock.monotonic)
    monkeypatch.setattr("random.uniform", lambda *_: 1.0)
    return clock


def test_ten_jobs_have_ended_by_then_at_the_pace_of_the_last_seconds(
    database: redis.Redis, clock: Clock
) -> None:
    note_pace(database, 50)
    clock.now_s += 10
    assert full(database).retry_after == 2.0
    assert 30 < database.ttl("cellblock.pace:100") <= 40


@pytest.mark.parametrize(("ended", "retry_after"), [(100_000, 1.0), (1, 60.0)])
def test_it_is_a_second_at_least_and_a_minute_at_most(
    database: redis.Redis, ended: int, retry_after: float
) -> None:
    note_pace(database, ended)
    assert full(database).retry_after == retry_after


def test_it_is_some_seconds_where_nothing_ends(database: redis.Redis) -> None:
    assert full(database).retry_after == 5.0


@pytest.mark.parametrize(
    ("is_tenants", "says"),
    [(True, "of this tenant wait .*: 7 .CELLBLOCK_TENANT_MAX"), (False, "jobs wait .*: 7 .CELLBLOCK_MAX")],
)
def test_it_says_which_bound_and_what_to_try(database: redis.Redis, is_tenants: bool, says: str) -> None:
    with pytest.raises(type(full(database)), match=f"{says}.*Try: send it again in 5 s"):
        raise full(database, is_tenants=is_tenants, waiting=7)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, None),
        ({"CELLBLOCK_MAX_QUEUED": "5"}, "BoundedTransport"),
        (
            {
                "CELLBLOCK_MAX_QUEUED": "5",
                "CELLBLOCK_BROKER_URL": "amqp://localhost",
                "CELLBLOCK_RESULT_BACKEND": "redis://localhost",
            },
            None,
        ),
        (
            {"CELLBLOCK_MAX_QUEUED": "5", "CELLBLOCK_BROKER_URL": "sentinel://a?master_name=m"},
            "BoundedSentinelTransport",
        ),
    ],
)
def test_a_publisher_asks_only_where_there_is_a_bound(
    settings: dict[str, str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    found = bounded_transport()
    assert (found and found.rpartition(":")[2]) == name


@pytest.mark.parametrize("priority", [0, 9])
def test_where_there_is_a_bound_a_message_goes_to_the_list_of_its_priority_all_the_same(
    broker_url: str, database: redis.Redis, monkeypatch: pytest.MonkeyPatch, priority: int
) -> None:
    monkeypatch.setenv("CELLBLOCK_MAX_QUEUED", "5")
    for transport in (None, bounded_transport()):
        with Connection(broker_url, transport=transport) as connection, connection.Producer() as producer:
            producer.publish({}, routing_key="cellblock", priority=priority)
    (queue,) = database.keys("cellblock*")
    assert database.llen(queue) == 2
