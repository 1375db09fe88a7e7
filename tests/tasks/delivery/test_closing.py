"""What a consumer leaves in Redis and in its event loop when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.settings import this_settings
from tests.tasks.loops import QUEUE, idle, looped, message


def test_what_can_not_be_acknowledged_at_the_end_is_given_to_another_consumer(
    database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("Redis is away")

    database.lpush(QUEUE, message("it"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
        one.messages[0].ack()
        monkeypatch.setattr("tasks.delivery.unacked._SETTLE", away)
    consumer = one.channel.registration.consumer
    assert (database.hlen("unacked"), database.zrange("cellblock.consumers", 0, -1)) == (1, [consumer])


def test_what_was_done_last_is_acknowledged_before_a_consumer_ends(database: Any, broker_url: str) -> None:
    database.lpush(QUEUE, message("it"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
        one.messages[0].ack()
    assert not database.exists("unacked", QUEUE, "cellblock.consumers")


@pytest.mark.parametrize("bounds", [{}, {"CELLBLOCK_MAX_QUEUED": "5"}])
def test_the_pace_of_the_jobs_is_noted_only_where_publishers_are_bounded(
    database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch, bounds: dict[str, str]
) -> None:
    for name, value in bounds.items():
        monkeypatch.setenv(name, value)
    this_settings.cache_clear()
    database.lpush(QUEUE, message("it"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
        one.messages[0].ack()
    assert [int(database.get(key)) for key in database.keys("cellblock.pace:*")] == [1] * len(bounds)


def test_what_is_done_when_no_more_messages_are_taken_is_acknowledged_all_the_same(
    database: Any, broker_url: str
) -> None:
    database.lpush(QUEUE, message("it"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
        one.channel.basic_cancel(*one.channel._consumers)
        one.messages[0].ack()
        one.turn(lambda: not database.exists("unacked"), "it is acknowledged")


def test_a_loop_is_woken_no_more_for_a_channel_that_is_closed(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_MAX_QUEUED", "5")
    this_settings.cache_clear()
    with looped(broker_url, QUEUE) as one:
        idle(one)
        (timer,) = one.channel._look._repeated
        one.channel.close()
        assert timer.canceled


def test_the_loop_reads_no_connection_of_a_channel_that_is_closed(broker_url: str) -> None:
    with looped(broker_url, QUEUE) as one:
        idle(one)
        descriptors = {move.descriptor for move in one.channel._moves._moves.values()}
        assert descriptors <= set(one.hub.readers)
        one.channel.close()
        assert not descriptors & set(one.hub.readers)
