"""How our transport handles a faulty Redis, and how it replaces that of kombu."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import kombu.transport
import pytest
from kombu import Connection
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import ResponseError
from redis.retry import Retry

from tasks import patience
from tasks.delivery.channel import _in_kombus_form
from tasks.delivery.dead_letters import DEAD
from tasks.delivery.transport import SentinelTransport, Transport, install
from tasks.delivery.wakeup import Wakeup
from tasks.envelope import judge
from tasks.patience import PatientRetry
from tasks.queue_keys import TICKET
from tests.chaos.durable_redis import DurableRedis
from tests.tasks.hostile_messages import call, envelope
from tests.tasks.loops import QUEUE, idle, looped, message, word_of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tasks.loops import Looped


@pytest.fixture
def one(broker_url: str) -> Iterator[Looped]:
    """A consumer with room for one message."""
    with looped(broker_url, QUEUE) as one:
        yield one


def test_a_redis_with_no_room_is_asked_again_at_each_turn(tmp_path: Path) -> None:
    with DurableRedis(tmp_path) as server, server.client() as client, looped(server.url, QUEUE) as one:
        idle(one)
        with server.filled():
            # Redis refuses the move that waits (BLMOVE) and the one that does not (LMOVE).
            client.config_set("maxmemory", 0)
            client.lpush(QUEUE, message("it"))
            client.config_set("maxmemory", 1)
            turns = iter(range(20))
            one.turn(lambda: next(turns, None) is None, "twenty turns")
        one.turn(lambda: one.messages, "it has come")
        one.messages[0].ack()


def test_a_queue_that_is_none_is_an_error(database: Any, one: Looped) -> None:
    database.set(QUEUE, "no list", ex=60)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        one.turn(lambda: False, "an error")


def test_a_ticket_that_comes_instead_of_a_message_is_no_dead_message(database: Any, one: Looped) -> None:
    idle(one)
    database.lpush(QUEUE, TICKET)
    one.turn(lambda: not database.exists(QUEUE, one.channel.registration.taken_key(QUEUE)), "it is dropped")
    assert (one.messages, database.exists(DEAD)) == ([], 0)


def test_a_waiting_connection_that_breaks_is_told_and_the_next_one_waits(database: Any, one: Looped) -> None:
    idle(one)
    move = one.channel._moves._moves[QUEUE]
    broken = move.descriptor
    database.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(RedisGone):
        one.turn(lambda: False, "an error")
    assert (move.waits, move.descriptor, move.connection._sock) == (False, -1, None)
    assert broken not in one.hub.readers, "the number may soon be that of another file"


def test_a_beat_that_redis_refuses_is_as_good_as_a_lost_connection(database: Any, one: Looped) -> None:
    idle(one)
    database.set("cellblock.consumers", "no set", ex=60)
    with pytest.raises(RedisGone, match="WRONGTYPE"):
        one.connection.transport.cycle.beat()
    database.delete("cellblock.consumers")


def test_a_beat_waits_for_nobody_and_an_end_does_neither(tmp_path: Path) -> None:
    with DurableRedis(tmp_path) as server, looped(server.url, QUEUE) as one:
        idle(one)
        server.kill()
        one.connection.transport.cycle.beat()


def test_a_beat_that_fails_for_another_reason_is_an_error(one: Looped) -> None:
    idle(one)
    one.channel.registration, registration = None, one.channel.registration
    with pytest.raises(AttributeError):
        one.connection.transport.cycle.beat()
    one.channel.registration = registration


def test_who_connects_to_a_redis_that_takes_nothing_hears_of_a_lost_connection_and_leaves_none(
    tmp_path: Path,
) -> None:
    with (
        DurableRedis(tmp_path) as server,
        server.filled(),
        server.client() as client,
        Connection(server.url, transport=Transport) as to,
    ):
        before = len(client.client_list())
        with pytest.raises(RedisGone, match="maxmemory") as caught:
            to.connect()
        assert caught.value.status_code == "OOM"
        wait_until(lambda: len(client.client_list()) == before, 5, "its connections are closed")


def test_every_address_of_a_redis_is_ours_once_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kombu.transport, "TRANSPORT_ALIASES", dict(kombu.transport.TRANSPORT_ALIASES))
    cache: dict[str, object] = {"redis": object(), "amqp": object()}
    monkeypatch.setattr(kombu.transport, "_transport_cache", cache)
    install()
    found: list[Any] = [
        kombu.transport.get_transport_cls(scheme) for scheme in ("redis", "rediss", "sentinel")
    ]
    assert found == [Transport, Transport, SentinelTransport]
    assert "amqp" in cache
    assert SentinelTransport.default_port == 26379


@pytest.mark.parametrize(("is_loop", "retry"), [(False, PatientRetry), (True, Retry)])
def test_what_a_jobs_process_publishes_waits_and_the_event_loop_hears_of_a_broken_connection(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, is_loop: bool, retry: type
) -> None:
    monkeypatch.setattr(patience, "_loop", {})
    options = {"retry_on_timeout": True}
    with Connection(broker_url, transport=Transport, transport_options=options) as connection:
        channel: Any = connection.default_channel
        patience.guard_event_loop()
        if not is_loop:
            patience._loop["process"] += 1
        parameters = channel._connparams(asynchronous=True)
        assert (type(parameters["retry"]), parameters["retry_on_timeout"]) == (retry, False)
        assert ("retry" in channel._connparams()) is not is_loop


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_a_bell_turns_the_loop_until_it_is_closed(one: Looped) -> None:
    idle(one)
    wakeup = Wakeup(one.hub)
    assert one.hub.readers.get(wakeup._descriptor)
    wakeup.wake()
    wakeup.wake()
    assert _is_readable(wakeup._descriptor), "the loop's next turn waits for nothing"
    next(one._loop)
    assert not _is_readable(wakeup._descriptor), "the turn after that one waits again"
    wakeup.close()
    assert wakeup._descriptor not in one.hub.readers


def test_one_that_is_rung_by_what_a_turn_has_taken(
    database: Any, one: Looped, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(one)
    rung: list[int] = []
    monkeypatch.setattr(one.channel._wakeup, "wake", lambda: rung.append(1))
    database.lpush(one.channel.registration.taken_key(QUEUE), message("it"))
    one.channel._moves._moves.clear()
    one.turn(lambda: one.messages, "it has come")
    assert rung
    one.messages[0].ack()


def test_a_message_keeps_what_is_known_of_its_way() -> None:
    seen: Any = judge(envelope(call("x"), headers={"redelivered": True}), 1 << 20)
    form = _in_kombus_form(seen, "q", "a-tag")
    assert form["properties"]["delivery_info"] == {"exchange": "", "routing_key": "q", "redelivered": True}
    assert form["properties"]["delivery_tag"] == "a-tag"


def test_a_consumer_that_ends_leaves_nothing_in_the_loop_and_no_connection_that_waits(
    database: Any, broker_url: str
) -> None:
    def blocked() -> int:
        """The number of connections to this database that wait for a message."""
        number = broker_url.rpartition("/")[2]
        return sum((one["db"], one["cmd"]) == (number, "blmove") for one in database.client_list())

    with looped(broker_url, QUEUE) as one:
        idle(one)
        mine = {one.channel._moves._moves[QUEUE].descriptor, one.channel._wakeup._descriptor}
        assert (mine <= set(one.hub.readers), blocked()) == (True, 1)
        one.channel.close()
        assert not mine & set(one.hub.readers)
        wait_until(lambda: not blocked(), 5, "nobody waits any more")


@pytest.mark.parametrize("no_ack", [True, False])
def test_a_consumer_that_ends_hangs_up_every_connection(database: Any, broker_url: str, no_ack: bool) -> None:
    number = broker_url.rpartition("/")[2]

    def connections() -> int:
        return sum(one["db"] == number for one in database.client_list())

    database.ping()
    with looped(broker_url, QUEUE, no_ack=no_ack) as one:
        one.turn(lambda: one.channel._moves is not None or no_ack, "it consumes")
        assert connections() > 1
    wait_until(lambda: connections() == 1, 5, "only who looks is connected")


def _both_on_their_way(client: Any, one: Looped) -> None:
    """Send two messages, and wait until both have left their queues. The consumer has room for one."""
    idle(one, "a", "b")
    for queue in "ab":
        client.lpush(queue, message(queue))
    wait_until(lambda: not client.exists("a", "b"), 5, "both are on their way")


def test_what_a_full_redis_does_not_take_back_waits_where_it_is(tmp_path: Path) -> None:
    with DurableRedis(tmp_path) as server, server.client() as client, looped(server.url, "a", "b") as one:
        _both_on_their_way(client, one)
        with server.filled():
            turns = iter(range(10))
            one.turn(lambda: next(turns, None) is None, "ten turns")
            assert len(one.messages) == 1
        one.messages[0].ack()
        one.turn(lambda: len(one.messages) == 2, "the other has come")
        one.messages[1].ack()
        assert sorted(word_of(raw) for raw in one.messages) == ["a", "b"]


def test_a_queue_to_which_nothing_can_be_taken_back_is_an_error(database: Any, broker_url: str) -> None:
    with looped(broker_url, "a", "b") as one:
        _both_on_their_way(database, one)
        for queue in "ab":
            database.set(queue, "no list", ex=60)
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            one.turn(lambda: False, "an error")
        database.delete("a", "b")
