"""Where messages that are not jobs go: in one step with Redis, in several steps with another broker."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Exchange, Producer, Queue

from sandbox import meter
from tasks.delivery import dead_letters
from tasks.delivery.dead_letters import DEAD, bury, entry_of, foreign, put_aside
from tasks.delivery.judged_consumer import Consumer
from tasks.delivery.tally import Tally
from tasks.envelope import Dead, Stray
from tests.tasks.hostile_messages import call, envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE, TAKEN = "cellblock", "cellblock.taken:me:cellblock"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The list of measurements during the test: the name and the queue of each."""
    counted: list[tuple[str, str]] = []
    monkeypatch.setattr(meter, "measure", lambda name, queue: counted.append((name, queue)))
    return counted


def test_somebody_elses_message_moves_as_it_is(database: Any, counted: list[tuple[str, str]]) -> None:
    database.rpush(TAKEN, "younger", "its own")
    put_aside(database, TAKEN, QUEUE, Stray("shop.send"))
    assert database.lrange(TAKEN, 0, -1) == ["younger"]
    assert database.lrange("cellblock.foreign:cellblock", 0, -1) == ["its own"]
    assert counted == [("cellblock_foreign_messages_total", QUEUE)]
    database.flushdb()


def test_a_dead_message_leaves_a_word_for_a_week_of_which_there_are_a_thousand(
    database: Any, counted: list[tuple[str, str]]
) -> None:
    database.rpush(TAKEN, "it")
    database.lpush(DEAD, *(str(number) for number in range(1000)))
    bury(database, TAKEN, QUEUE, Dead("it is no object"), b"raw")
    assert database.exists(TAKEN) == 0
    assert (database.llen(DEAD), database.lindex(DEAD, -1)) == (1000, "1")
    assert 7 * 86_400 - 5 < database.ttl(DEAD) <= 7 * 86_400
    word = json.loads(database.lindex(DEAD, 0))
    assert abs(word.pop("at") - time.time()) < 5
    assert word == {"reason": "it is no object", "queue": QUEUE, "bytes": 3, "message": "raw"}
    assert counted == [("cellblock_dead_messages_total", QUEUE)]


def test_a_dead_message_that_others_have_taken_back_leaves_no_word(database: Any) -> None:
    bury(database, TAKEN, QUEUE, Dead("it is no object"), b"raw")
    assert database.exists(DEAD) == 0


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"x" * 20_000, "x" * (16 << 10)),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xff" * 20_000, "\\xff" * (4 << 10)),
        ("\ud800é".encode("utf-8", "surrogatepass"), None),
    ],
)
def test_of_a_dead_message_its_beginning_is_kept_whatever_bytes_it_has(raw: bytes, kept: str | None) -> None:
    word = json.loads(entry_of(QUEUE, Dead("why"), raw))
    assert kept is None or word["message"] == kept
    assert word["bytes"] == len(raw)


class Accepting(Consumer):
    """A consumer that only checks messages. The accepted ones are in `accepted`."""

    def __init__(self) -> None:
        self.accepted: list[Any] = []
        self.connection_errors = ()
        self._accept = self.accepted.append


@pytest.fixture
def other() -> Iterator[Any]:
    """A channel of a broker other than Redis."""
    with Connection("memory://") as connection:
        channel: Any = connection.channel()
        exchange = Exchange("", channel=channel)
        for name in (QUEUE, DEAD, foreign(QUEUE)):
            Queue(name, exchange, name, channel=channel).declare()
            channel.queue_purge(name)
        yield channel


def delivered(channel: Any, body: object, **options: Any) -> Any:
    """Publish a message with `body`, and return it as the broker delivers it."""
    Producer(channel).publish(body, routing_key=QUEUE, **{"serializer": "json", **options})
    (message,) = (channel.basic_get(QUEUE),)
    return channel.message_to_python(message) if not hasattr(message, "ack") else message


ABOUT = {"task": "cellblock.run_sandboxed", "id": "the-job", "lang": "py"}


def test_a_call_by_another_broker_is_handed_on_as_one_that_is_understood(other: Any) -> None:
    consumer = Accepting()
    message = delivered(other, call("echo hi"), headers=ABOUT)
    consumer._take(message)
    (taken,) = consumer.accepted
    assert (taken.decode()[0], taken.headers["id"]) == (["echo hi", "bash"], "the-job")
    assert (taken.content_type, taken.content_encoding, taken.acknowledged) == (
        "application/json",
        "utf-8",
        False,
    )


def test_a_call_that_was_judged_is_not_judged_again(other: Any) -> None:
    consumer = Accepting()
    message = delivered(other, 5)
    message.is_judged = True
    consumer._take(message)
    assert consumer.accepted == [message]


def test_junk_by_another_broker_is_refused_in_its_place(other: Any) -> None:
    consumer = Accepting()
    consumer._take(delivered(other, 5, headers=ABOUT))
    (taken,) = consumer.accepted
    assert "cellblock_refusal" in taken.headers
    assert taken.decode() == [[], {}, {}]


def test_somebody_elses_message_by_another_broker_is_published_aside_and_then_acknowledged(
    other: Any, counted: list[tuple[str, str]]
) -> None:
    consumer = Accepting()
    message = delivered(other, ["x"], headers={"task": "shop.send", "id": "1", "compression": "none"})
    consumer._take(message)
    copy = other.basic_get(foreign(QUEUE))
    assert (copy.body, copy.content_type, copy.content_encoding) == (
        message.body,
        message.content_type,
        message.content_encoding,
    )
    assert copy.headers == {"task": "shop.send", "id": "1"}
    assert (message.acknowledged, consumer.accepted) == (True, [])
    assert counted == [("cellblock_foreign_messages_total", QUEUE)]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("_take", "its header id is missing"),
        ("on_decode_error", "its header id is missing"),
        ("on_invalid_task", "KeyError"),
        ("on_unknown_message", "it has no protocol of Celery's"),
        ("on_unknown_task", "its task is unknown"),
    ],
)
def test_what_is_dead_by_another_broker_leaves_a_word(
    other: Any, counted: list[tuple[str, str]], how: str, reason: str
) -> None:
    consumer: Any = Accepting()
    message = delivered(other, call(), headers={"task": ABOUT["task"]})
    if how == "_take":
        consumer._take(message)
    elif how == "on_decode_error":
        consumer.on_decode_error(message, ValueError())
    elif how == "on_unknown_message":
        consumer.on_unknown_message(None, message)
    else:
        getattr(consumer, how)(None, message, KeyError())
    word = json.loads(other.basic_get(DEAD).body)
    assert (word["reason"], word["queue"], word["bytes"]) == (reason, QUEUE, len(message.body))
    assert (message.acknowledged, consumer.accepted) == (True, [])
    assert counted == [("cellblock_dead_messages_total", QUEUE)]


def test_the_list_of_another_broker_is_bounded_as_that_of_redis() -> None:

    from tasks.delivery import judged_consumer

    assert judged_consumer._MOST_DEAD == {"x-max-length": 1000, "x-message-ttl": 7 * 86_400 * 1000}


def test_what_waits_for_its_minute_is_said_by_and_by(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(dead_letters, "_tally", Tally(said.append))
    for _ in range(2):
        dead_letters.note_dead(QUEUE, Dead("why"))
        dead_letters.note_stray(QUEUE, Stray("shop.send"))
    assert [line.split(":")[0] for line in said] == [
        "A message of the queue 'cellblock' is no call, and nobody can be told",
        "A message of the queue 'cellblock' is for a task that is not ours, shop.send",
    ]


def test_a_message_as_kombu_writes_it_is_what_these_tests_send() -> None:
    assert json.loads(envelope(call()))["headers"]["task"] == ABOUT["task"]
