"""At each step to a worker and back, every message is in exactly one place in Redis."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Consumer, Queue
from redis.exceptions import OutOfMemoryError, ResponseError

from tasks.delivery import dead_letters
from tasks.delivery.consumers import Registration
from tasks.settings import this_settings
from tests.heard import commands_to
from tests.tasks.hostile_messages import call, envelope
from tests.tasks.loops import QUEUE, idle, looped, message, waiting, word_of
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.tasks.loops import Looped

THIRTY_DAYS_S = 30 * 86_400


@pytest.fixture
def one(broker_url: str) -> Iterator[Looped]:
    """A consumer with room for one message."""
    with looped(broker_url, QUEUE) as one:
        yield one


def _more_than(one: Looped, number: int) -> Callable[[], bool]:
    return lambda: len(one.messages) > number


def mine(database: Any, one: Looped) -> set[str]:
    """The kinds of keys that the consumer has in Redis."""
    own = (key for key in database.scan_iter() if one.channel.registration.consumer in key)
    return {key.split(":")[0] for key in own}


def test_a_message_is_unacknowledged_until_it_is_done_and_no_more_are_taken_than_there_is_room_for(
    database: Any, one: Looped
) -> None:
    database.lpush(QUEUE, message("first"), message("second"))
    one.turn(lambda: one.messages, "the first has come")
    assert (word_of(one.messages[0]), waiting(database)) == ("first", ["second"])
    tags = [one.messages[0].delivery_tag]
    assert database.hkeys("unacked") == database.zrange("unacked_index", 0, -1) == tags
    assert database.smembers(one.channel.registration.held_key) == set(tags)
    assert abs(database.zscore("unacked_index", tags[0]) - time.time()) < 5
    one.messages[0].ack()
    one.turn(lambda: len(one.messages) == 2, "the second has come")
    one.messages[1].ack()
    one.turn(lambda: not database.exists("unacked", "unacked_index"), "all is acknowledged")
    assert waiting(database) == []
    assert mine(database, one) == {"cellblock.consumer"}


def test_an_idle_consumer_has_a_message_as_soon_as_it_comes_and_again_after_that(
    database: Any, one: Looped
) -> None:
    for number in range(3):
        idle(one)
        database.lpush(QUEUE, message(str(number)))
        one.turn(_more_than(one, number), "it has come")
        assert database.hlen("unacked") == 1
        one.messages[number].ack()
    assert [word_of(raw) for raw in one.messages] == ["0", "1", "2"]


def test_what_comes_when_the_room_is_taken_goes_back_to_its_place(broker_url: str, database: Any) -> None:
    with looped(broker_url, "a", "b") as one:
        idle(one, "a", "b")
        for queue in "ab":
            database.lpush(queue, message(f"{queue}1"))
        wait_until(lambda: not database.exists("a", "b"), 5, "both are on their way")
        for queue in "ab":
            database.lpush(queue, message(f"{queue}2"))
        one.turn(lambda: one.messages and len(waiting(database, "a") + waiting(database, "b")) == 3, "back")
        taken = word_of(one.messages[0])
        other = "b" if taken == "a1" else "a"
        assert waiting(database, other) == [f"{other}1", f"{other}2"]
        assert (waiting(database, taken[0]), database.hlen("unacked")) == ([f"{taken[0]}2"], 1)


def test_queues_are_served_in_turn(broker_url: str, database: Any) -> None:
    for queue in "abc":
        database.lpush(queue, *(message(f"{queue}{number}") for number in range(3)))
    with looped(broker_url, "a", "b", "c") as one:
        for number in range(9):
            one.turn(_more_than(one, number), "one more")
            one.messages[number].ack()
        order = "".join(word_of(raw)[0] for raw in one.messages)
    assert order == "abcabcabc"


def test_what_is_not_done_when_a_consumer_ends_is_back_at_the_head_of_its_queue_and_nothing_else_left(
    database: Any, broker_url: str
) -> None:
    database.lpush(QUEUE, message("first"), message("second"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
    assert waiting(database) == ["first", "second"]
    left = {key for key in database.scan_iter() if "_kombu" not in key}
    # The queue itself, and what tells whose message of it is next.
    of_queue = {f"cellblock.{what}:{QUEUE}" for what in ("fair", "order", "served")}
    assert left <= {QUEUE, f"cellblock.tenant:{QUEUE}:"} | of_queue


@pytest.mark.parametrize("what", ["taken", "held"])
def test_a_consumer_that_still_has_something_stays_on_the_register_for_others_to_see_to(
    database: Any, broker_url: str, what: str
) -> None:
    with looped(broker_url, QUEUE) as one:
        idle(one)
        consumer = one.channel.registration.consumer
        if what == "taken":
            database.lpush(one.channel.registration.taken_key(QUEUE), message("left"))
        else:
            database.sadd(one.channel.registration.held_key, "a-tag")
    assert database.zrange("cellblock.consumers", 0, -1) == [consumer]
    assert database.smembers(f"cellblock.consumer:{consumer}") == {QUEUE}


def test_a_consumer_counts_as_gone_after_its_silence_and_is_forgotten_after_thirty_days(
    database: Any, one: Looped
) -> None:
    database.lpush(QUEUE, message("it"))
    one.turn(lambda: one.messages, "it has come")
    one.channel.beat()
    consumer = one.channel.registration.consumer
    silent_at = database.zscore("cellblock.consumers", consumer)
    assert 0 <= silent_at - database.time()[0] - this_settings().silence + 1 <= 1
    keys = ["cellblock.consumers", f"cellblock.consumer:{consumer}", f"cellblock.held:{consumer}"]
    assert {round(database.ttl(key) / 10) for key in keys} == {THIRTY_DAYS_S // 10}


def test_a_consumer_says_five_times_in_that_while_that_it_lives_until_it_ends(
    database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_SILENCE", "1")
    this_settings.cache_clear()
    with looped(broker_url, QUEUE) as one:
        idle(one)
        beats: list[float] = []
        monkeypatch.setattr(one.channel, "beat", lambda: beats.append(time.monotonic()))
        one.turn(lambda: len(beats) == 5, "five beats")
        assert 0.6 < beats[-1] - beats[0] < 3 * PATIENCE
        timer = one.connection.transport.cycle.beats
        assert one.channel.registration._silence_s == this_settings().silence == 1
        one.connection.release()
        assert timer.canceled


def test_what_waits_to_be_said_once_a_minute_is_said_at_a_beat(
    one: Looped, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(one)
    flushed: list[int] = []
    monkeypatch.setattr(dead_letters, "flush", lambda: flushed.append(1))
    one.channel.beat()
    assert flushed == [1]


def _left_by(database: Any, consumer: str) -> None:
    """Write the keys of a consumer that has died with one message taken and another one recorded."""
    database.zadd("cellblock.consumers", {consumer: 1})
    database.sadd(f"cellblock.consumer:{consumer}", QUEUE)
    database.lpush(f"cellblock.taken:{consumer}:{QUEUE}", message("taken"))
    database.sadd(f"cellblock.held:{consumer}", "a-tag")
    database.zadd("unacked_index", {"a-tag": time.time()})
    database.hset("unacked", "a-tag", f'[{message("recorded").decode()}, "", "{QUEUE}"]')


def test_what_a_silent_consumer_had_is_given_back_once_and_told(
    database: Any, broker_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    _left_by(database, "gone")
    database.lpush(QUEUE, message("younger"))
    with looped(broker_url, QUEUE, room=3) as one:
        one.turn(lambda: len(one.messages) == 3, "all have come")
        assert sorted(word_of(raw) for raw in one.messages[:2]) == ["recorded", "taken"]
        assert not [key for key in database.scan_iter() if "gone" in key]
        assert database.zrange("cellblock.consumers", 0, -1) == [one.channel.registration.consumer]
        one.channel.beat()
        for raw in one.messages:
            raw.ack()
    assert caplog.messages == ["A worker has fallen silent: 2 of its messages are back in their queues"]


def test_a_consumer_that_had_nothing_is_forgotten_without_a_word(
    database: Any, broker_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database.zadd("cellblock.consumers", {"gone": 1})
    with looped(broker_url, QUEUE) as one:
        idle(one)
        assert database.zrange("cellblock.consumers", 0, -1) == [one.channel.registration.consumer]
    assert caplog.messages == []


def test_who_lives_keeps_what_it_has(database: Any, broker_url: str) -> None:
    database.lpush(QUEUE, message("mine"))
    with looped(broker_url, QUEUE) as first, looped(broker_url, QUEUE) as second:
        first.turn(lambda: first.messages, "it has come")
        idle(second)
        second.channel.beat()
        assert (database.hlen("unacked"), second.messages) == (1, [])
        first.messages[0].ack()


def test_a_message_that_others_have_taken_back_is_theirs(
    database: Any, one: Looped, caplog: pytest.LogCaptureFixture
) -> None:
    idle(one)
    database.lpush(QUEUE, message("lost"))
    taken = one.channel.registration.taken_key(QUEUE)
    wait_until(lambda: database.exists(taken), 5, "it is on its way")
    database.delete(taken)
    one.turn(lambda: caplog.messages, "it was missed")
    assert "A message was taken back before it was recorded" in caplog.text
    assert (one.messages, database.exists("unacked")) == ([], 0)
    database.lpush(QUEUE, message("next"))
    one.turn(lambda: one.messages, "the next one has come")
    one.messages[0].ack()


def test_messages_whose_way_was_interrupted_are_found_where_they_stood(database: Any, one: Looped) -> None:
    for word in ("stood", "behind it"):
        database.lpush(one.channel.registration.taken_key(QUEUE), message(word))
    database.lpush(QUEUE, message("waits"))
    for word in ("stood", "behind it", "waits"):
        one.turn(lambda: one.messages, f"{word} has come")
        came = one.messages.pop()
        assert word_of(came) == word
        came.ack()


def test_what_nobody_acknowledges_is_gone_when_it_has_come(database: Any, one: Looped) -> None:
    seen: list[Any] = []
    quick = Consumer(one.channel, [Queue("quick", routing_key="quick")], on_message=seen.append, no_ack=True)
    quick.consume()
    database.lpush("quick", message("gone"))
    one.turn(lambda: seen, "it has come")
    one.turn(lambda: not database.exists("unacked"), "it is nowhere")
    assert "cellblock.taken" not in mine(database, one)
    assert one.channel._moves, "what else it takes is acknowledged"


def test_where_nothing_is_acknowledged_it_is_the_stock_channel(broker_url: str, database: Any) -> None:
    with looped(broker_url, QUEUE, no_ack=True) as one:
        database.lpush(QUEUE, message("quick"))
        one.turn(lambda: one.messages, "it has come")
        assert one.channel._moves is None
        one.channel.beat()
        assert [key for key in database.scan_iter() if "consumer" in key] == []


def test_what_is_no_call_is_replaced_in_its_place(database: Any, one: Looped) -> None:
    database.lpush(QUEUE, envelope(5))
    one.turn(lambda: one.messages, "it has come")
    (entry,) = database.hvals("unacked")
    assert "cellblock_refusal" in json.loads(entry)[0]["headers"]
    assert one.messages[0].is_judged
    one.messages[0].ack()


def test_a_waiting_move_is_sent_again_after_five_seconds(database: Any, one: Looped) -> None:
    with commands_to(database) as heard:
        idle(one)
        sent = next(words for words in heard if words[0] == "BLMOVE")
    assert sent == ["BLMOVE", QUEUE, one.channel.registration.taken_key(QUEUE), "RIGHT", "LEFT", "5"]


def test_a_consumer_is_on_the_register_from_its_first_beat_until_it_leaves(database: Any) -> None:
    registration = Registration(0.3)
    began = database.time()[0]
    assert (registration.enrolled, registration.beat(database, [QUEUE]), registration.enrolled) == (
        False,
        [],
        True,
    )
    assert began < database.zscore("cellblock.consumers", registration.consumer) <= database.time()[0] + 1
    registration.leave(database)
    assert (registration.enrolled, database.keys()) == (False, [])


def test_a_consumer_takes_nothing_before_redis_has_registered_it(
    broker_url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses that once, as if it were full. The refusal is made up here."""
    beat, refusals = Registration.beat, iter([OutOfMemoryError("OOM command not allowed")])

    def beat_or_refuse(registration: Registration, *args: Any) -> list[str]:
        if refusal := next(refusals, None):
            raise refusal
        return beat(registration, *args)

    monkeypatch.setattr(Registration, "beat", beat_or_refuse)
    database.lpush(QUEUE, message("first"))
    with looped(broker_url, QUEUE) as one:
        one.turn(lambda: one.messages, "it has come")
        assert database.smembers(one.channel.registration.held_key)
        assert database.zscore("cellblock.consumers", one.channel.registration.consumer)
        one.messages[0].ack()


def test_messages_whose_list_somebody_has_deleted_get_new_tickets_at_the_next_beat(
    database: Any, one: Looped
) -> None:
    database.lpush(QUEUE, *(message(word) for word in ("first", "second", "third")))
    one.turn(lambda: one.messages, "the first has come")
    database.delete(QUEUE)
    one.channel.beat()
    assert (database.llen(QUEUE), waiting(database)) == (2, ["second", "third"])
    one.messages[0].ack()


def test_a_message_that_can_not_be_read_back_is_buried_and_keeps_no_worker_from_the_others(
    database: Any, one: Looped
) -> None:
    idle(one)
    database.hset("unacked", "a-tag", f'[{{"n": {"9" * 5000}}}, "", "{QUEUE}"]')
    database.zadd("unacked_index", {"a-tag": 1})
    database.lpush("cellblock.dead", *range(1000))
    one.channel.qos.restore_by_tag("a-tag")
    assert (database.llen("cellblock.dead"), database.ttl("cellblock.dead") > 600_000) == (1000, True)
    assert json.loads(database.lindex("cellblock.dead", 0))["reason"] == "it can't be put back"
    assert (database.exists("unacked", "unacked_index"), waiting(database)) == (0, [])


def test_of_messages_that_are_refused_at_once_the_loop_takes_only_some_in_one_iteration(
    database: Any, broker_url: str
) -> None:
    database.lpush(QUEUE, *(message(str(number)) for number in range(50)))
    with looped(broker_url, QUEUE, room=0) as one:
        one.turn(lambda: one.messages, "some have come")
        assert len(one.messages) == 20
        one.turn(lambda: len(one.messages) == 50, "all have come")
        for taken in one.messages:
            taken.ack()


def test_what_redis_does_not_take_now_is_acknowledged_later(
    database: Any, one: Looped, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ResponseError("MISCONF no disk")

    database.lpush(QUEUE, message("it"))
    one.turn(lambda: one.messages, "it has come")
    one.messages[0].ack()
    with monkeypatch.context() as patch:
        patch.setattr("tasks.delivery.unacked._SETTLE", full)
        patch.setattr("tasks.delivery.unacked._TAKE", full)
        for _ in range(3):
            one.hub.call_soon(int)
            next(one._loop)
        assert database.exists("unacked")
    one.turn(lambda: not database.exists("unacked"), "it is acknowledged")


def test_a_job_that_comes_while_its_tenant_has_as_many_running_as_it_may_waits_for_one_to_end(
    database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_TENANT_MAX_RUNNING", "1")
    this_settings.cache_clear()
    mine = {"headers": {"cellblock_tenant": "a"}}
    with looped(broker_url, QUEUE, room=2) as one:
        idle(one)
        database.lpush(QUEUE, envelope(call("first"), **mine))
        one.turn(lambda: one.messages, "the first has come")
        idle(one)
        database.lpush(QUEUE, envelope(call("second"), **mine))
        one.turn(lambda: waiting(database) == ["second"], "it is back in its queue")
        assert (len(one.messages), database.hlen("unacked")) == (1, 1)
        one.messages[0].ack()
        one.turn(lambda: len(one.messages) == 2, "the second has come")
        one.messages[1].ack()
