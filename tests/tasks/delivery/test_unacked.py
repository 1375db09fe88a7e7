"""The steps in Redis of the messages that a consumer has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tasks.delivery.unacked import _RECORD
from tests.tasks.loops import QUEUE, looped, message

if TYPE_CHECKING:
    import redis

KEPT, LAST = 1, 3
KEYS = ["index", "unacked", "held", "taken", "queue"]


def test_a_message_that_others_have_taken_back_is_not_recorded(database: redis.Redis) -> None:
    assert _RECORD(database, KEYS, "tag", 1, "queue", "", 0) == 0
    assert database.keys() == []


def test_a_message_goes_back_to_where_it_came_from(database: redis.Redis) -> None:
    database.lpush("taken", '{"a": 1}')
    assert _RECORD(database, KEYS, "tag", 1, "queue", "", 0) == LAST
    assert database.hgetall("unacked") == {"tag": '[{"a": 1}, "", "queue"]'}
    assert (database.exists("taken"), database.zcard("index"), database.scard("held")) == (0, 1, 1)


def test_what_nobody_should_have_to_read_is_replaced(database: redis.Redis) -> None:
    database.lpush("taken", "junk")
    assert _RECORD(database, KEYS, "tag", 1, "queue", '{"refused": 1}', 0) == LAST
    assert database.hget("unacked", "tag") == '[{"refused": 1}, "", "queue"]'


def test_it_is_told_whether_a_message_waits_in_one_of_the_queues_to_take_from(database: redis.Redis) -> None:
    answers = []
    for key in ("queue", "taken", "other", "cellblock.order:other"):
        database.lpush("taken", "{}")
        database.lpush(key, "whatever its type")
        answers.append(_RECORD(database, [*KEYS, "other"], "tag", 1, "queue", "", 0))
        database.delete(key)
    assert answers == [KEPT] * 4


def test_what_a_thread_acknowledges_beside_the_loop_waits_for_no_turn_of_it(
    database: redis.Redis, broker_url: str
) -> None:
    database.lpush(QUEUE, message("it"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
        (beside := threading.Thread(target=one.messages[0].ack)).start()
        beside.join()
        assert not database.exists("unacked")
