"""Which tenants have a label of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu import Connection

from tasks.observe import queue_depth as of_queues
from tasks.observe.queue_depth import _tenants

if TYPE_CHECKING:
    import pytest
    import redis


def test_the_largest_tenants_are_named_and_all_others_counted_together(
    broker_url: str, database: redis.Redis
) -> None:
    for number in range(1, 31):
        name = f"t{number}" if number > 1 else ""
        database.zadd("cellblock.order:cellblock", {name: 0})
        database.lpush(f"cellblock.tenant:cellblock:{name}", *(["x"] * number))
    with Connection(broker_url) as connection:
        lengths = _tenants(connection.default_channel, "cellblock")
    assert (len(lengths), lengths["t30"], lengths["t11"]) == (21, 30, 11)
    assert lengths["(others)"] == sum(range(1, 11))


def test_jobs_of_nobody_have_a_name_that_no_tenant_has(broker_url: str, database: redis.Redis) -> None:
    database.zadd("cellblock.order:cellblock", {"": 0})
    database.lpush("cellblock.tenant:cellblock:", "x")
    with Connection(broker_url) as connection:
        assert _tenants(connection.default_channel, "cellblock") == {"(none)": 1}


def test_no_more_than_a_thousand_tenants_are_asked_for(
    broker_url: str, database: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of_queues._MOST_ASKED == 1000
    monkeypatch.setattr(of_queues, "_MOST_ASKED", 2)
    for name in "abc":
        database.zadd("cellblock.order:cellblock", {name: 0})
        database.lpush(f"cellblock.tenant:cellblock:{name}", "x")
    with Connection(broker_url) as connection:
        assert len(_tenants(connection.default_channel, "cellblock")) == 2
