"""A script that is sent to a real Redis while its sender does something else before it reads the answer."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import DataError, ResponseError

from tasks.redis_script import RedisScript

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def single(broker_url: str) -> Iterator[redis.Redis]:
    """Gives a client that may have one connection: nothing can be sent while that is in use."""
    with redis.Redis.from_url(broker_url, decode_responses=True, max_connections=1) as client:
        yield client
        client.flushdb()


def script_of(text: str) -> RedisScript:
    """A script that no Redis has been given yet."""
    script = RedisScript()
    script._source = f"-- {secrets.token_hex(8)}\n{text}".encode()
    script._hash = hashlib.sha1(script._source).hexdigest()  # noqa: S324
    return script


ECHO = "return ARGV[1]"


def test_the_answer_is_that_of_the_script_also_if_redis_did_not_know_it(single: redis.Redis) -> None:
    script = script_of(ECHO)
    assert [script.send(single, [], word).answer() for word in ("new", "known")] == ["new", "known"]


def test_a_script_that_redis_refuses_leaves_its_connection_to_others(single: redis.Redis) -> None:
    script = script_of("return redis.call('LPUSH', KEYS[1], 'x')")
    single.set("text", "x")
    single.script_load(script._source)
    sent = script.send(single, ["text"])
    with pytest.raises(ResponseError):
        sent.answer()
    assert single.get("text") == "x"


def test_an_answer_that_is_dropped_is_not_taken_for_the_next_one(single: redis.Redis) -> None:
    script = script_of(ECHO)
    script(single, [], "")
    script.send(single, [], "dropped").drop()
    assert script.send(single, [], "wanted").answer() == "wanted"


def test_after_a_connection_that_was_lost_meanwhile_the_next_script_gets_a_new_one(
    single: redis.Redis,
) -> None:
    script = script_of(ECHO)
    script(single, [], "")
    sent = script.send(single, [], "lost")
    sent._connection.disconnect()
    with pytest.raises(RedisGone):
        sent.answer()
    assert script.send(single, [], "again").answer() == "again"


def test_a_script_that_cannot_be_sent_leaves_its_connection_to_others(single: redis.Redis) -> None:
    nothing_that_redis_takes: Any = object()
    with pytest.raises(DataError):
        script_of(ECHO).send(single, [], nothing_that_redis_takes)
    assert single.ping()
