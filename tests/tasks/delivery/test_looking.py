"""When a consumer looks which message is next in turn, and when it waits for any that comes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from kombu.asynchronous import Hub
from redis.exceptions import OutOfMemoryError

from tasks.delivery.look import Look
from tasks.headers import FULL
from tasks.settings import this_settings
from tests.heard import said_to
from tests.tasks.hostile_messages import call, envelope
from tests.tasks.loops import QUEUE, idle, looped, message, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def coming_by_looks(one: Any, database: Any, count: int) -> Iterator[None]:
    """What is sent in the block makes `count` messages, which come without a wait for any that comes."""
    with said_to(database) as said:
        yield
        one.turn(lambda: len(one.messages) == count, f"all {count} have come")
    # The consumer looks which message is next in turn.
    assert "BLMOVE" not in said
    for raw in one.messages:
        raw.ack()


def come_without_a_look(one: Any, count: int) -> None:
    """Have messages come while the loop looks for none: as if all came in one turn."""
    one.channel.fetch = lambda loop: None
    one.turn(lambda: len(one.messages) == count, f"{count} have come")
    del one.channel.fetch


def test_after_a_message_with_none_behind_it_the_consumer_waits_without_asking_for_more(
    broker_url: str, database: Any
) -> None:
    with looped(broker_url, QUEUE, room=2) as one:
        idle(one)
        database.lpush(QUEUE, message("first"))
        one.turn(lambda: one.messages, "it has come")
        with said_to(database) as said:
            idle(one)
        assert ("BLMOVE" in said, "EVALSHA" in said) == (True, False)
        one.messages[0].ack()


def test_a_consumer_that_had_no_room_looks_for_what_came_meanwhile(broker_url: str, database: Any) -> None:
    with looped(broker_url, QUEUE) as one:
        idle(one)
        database.lpush(QUEUE, message("first"))
        one.turn(lambda: one.messages, "the first has come")
        with said_to(database) as said:
            database.lpush(QUEUE, message("second"), message("third"))
            one.messages[0].ack()
            one.turn(lambda: len(one.messages) == 2, "the second has come")
        assert "BLMOVE" not in said
        one.messages[1].ack()
        one.turn(lambda: len(one.messages) == 3, "the third has come")
        one.messages[2].ack()


def test_the_last_message_of_one_queue_does_not_hide_that_another_queue_has_more(
    broker_url: str, database: Any
) -> None:
    with looped(broker_url, QUEUE, "other", room=3) as one:
        idle(one, QUEUE, "other")
        database.lpush(QUEUE, message("first"), message("third"))
        one.turn(lambda: one.messages, "the first has come")
        with coming_by_looks(one, database, 3):
            database.lpush("other", message("second"))
            come_without_a_look(one, 2)


def test_the_last_message_of_one_queue_does_not_hide_what_was_taken_of_another(
    broker_url: str, database: Any
) -> None:
    """It is left there where Redis refused to record it. A move must not put another beside it."""
    with looped(broker_url, QUEUE, "other", room=3) as one:
        idle(one, QUEUE, "other")
        database.lpush(QUEUE, message("first"))
        one.turn(lambda: one.messages, "the first has come")
        with coming_by_looks(one, database, 3):
            database.lpush(one.channel.registration.taken_key(QUEUE), message("third"))
            database.lpush("other", message("second"))
            come_without_a_look(one, 2)


def test_a_message_too_many_is_looked_for_twice_a_second_and_handed_on_to_be_refused(
    broker_url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant that has as many jobs running as it may is told that too."""
    monkeypatch.setenv("CELLBLOCK_MAX_QUEUED", "2")
    monkeypatch.setenv("CELLBLOCK_TENANT_MAX_RUNNING", "1")
    this_settings.cache_clear()
    words = ("first", "second", "third", "fourth", "fifth")
    first, *others = (envelope(call(word), headers={"cellblock_tenant": "a"}) for word in words)
    with looped(broker_url, QUEUE) as one:
        database.lpush(QUEUE, first)
        one.turn(lambda: one.messages, "it has come")
        database.lpush(QUEUE, *others)
        one.turn(lambda: len(one.messages) == 3, "the newest two have come")
        assert [FULL in taken.headers for taken in one.messages] == [False, True, True]
        assert waiting(database) == ["second", "third"]
        for taken in one.messages:
            taken.ack()


def test_while_a_job_waits_for_another_one_of_its_tenant_the_consumer_looks_again_soon(
    broker_url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_TENANT_MAX_RUNNING", "1")
    this_settings.cache_clear()
    tenants = (envelope(call(word), headers={"cellblock_tenant": "a"}) for word in ("first", "second"))
    database.lpush(QUEUE, *tenants)
    with looped(broker_url, QUEUE, room=2) as one:
        one.turn(lambda: one.messages, "the first has come")
        one.turn(lambda: one.channel._look._is_due, "another look is due")
        one.messages[0].ack()
        one.turn(lambda: len(one.messages) == 2, "the second has come")
        one.messages[1].ack()


def test_a_message_that_comes_while_a_job_of_its_tenant_runs_elsewhere_goes_back_and_is_looked_for_soon(
    broker_url: str, database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CELLBLOCK_TENANT_MAX_RUNNING", "1")
    this_settings.cache_clear()
    first, second = (envelope(call(word), headers={"cellblock_tenant": "a"}) for word in ("first", "second"))
    with looped(broker_url, QUEUE) as one:
        with looped(broker_url, QUEUE) as other:
            database.lpush(QUEUE, first)
            other.turn(lambda: other.messages, "the first has come")
            idle(one)
            database.lpush(QUEUE, second)
            one.turn(lambda: one.channel._look._is_due, "another look is due")
            other.messages[0].ack()
        one.turn(lambda: one.messages, "the second has come")
        one.messages[0].ack()
    assert "taken back" not in caplog.text


def test_a_message_that_redis_refuses_to_record_is_looked_for_at_once(
    broker_url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the message before it was the last one. The refusal is made up here."""
    with looped(broker_url, QUEUE, "other", room=2) as one:
        idle(one, QUEUE, "other")
        record, answers = one.channel.qos.record, iter([None, OutOfMemoryError("OOM command not allowed")])

        def record_or_refuse(*args: Any, **options: Any) -> bool:
            if refusal := next(answers, None):
                raise refusal
            return bool(record(*args, **options))

        monkeypatch.setattr(one.channel.qos, "record", record_or_refuse)
        with coming_by_looks(one, database, 2):
            database.pipeline().lpush(QUEUE, message("one")).lpush("other", message("another")).execute()


def test_what_fails_while_redis_records_a_message_leaves_no_connection_in_use(
    broker_url: str, database: Any
) -> None:
    def fail() -> None:
        raise RuntimeError

    del database
    with looped(broker_url, QUEUE) as one:
        idle(one)
        taken_key = one.channel.registration.taken_key(QUEUE)
        with pytest.raises(RuntimeError):
            one.channel.qos.record([taken_key, QUEUE], "tag", QUEUE, "", counts=False, meanwhile=fail)
        assert not one.channel.own_client.connection_pool._in_use_connections


def test_a_loop_that_is_to_be_woken_soon_is_woken_once() -> None:
    loop = Hub()
    look = Look(loop, lambda: None)
    look.soon()
    look.soon()
    assert len(loop.timer.queue) == 1
    loop.close()


def test_a_consumer_that_waits_for_any_message_does_not_look_meanwhile(broker_url: str) -> None:
    with looped(broker_url, QUEUE) as one:
        idle(one)
        assert not one.channel._look._is_due
