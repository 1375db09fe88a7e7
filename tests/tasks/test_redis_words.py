"""What is logged about a faulty Redis, how often, and whether cellblock waits for it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from kombu.exceptions import OperationalError
from redis.exceptions import ResponseError

from config import load_settings
from tasks.observe import outage_log
from tasks.observe.outage_log import Outage
from tasks.redis_errors import broker_sentence, explain_redis, is_busy, passes
from tasks.redis_rights import _NEEDED, refusals, require_rights
from tests.programs import running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

# The words of Redis or a library, their meaning, whether the fault is temporary, and whether a Redis answers.
SAID = [
    ("NOAUTH Authentication required.", "wants a password", False, True),
    ("AUTH called without any password configured", "has no password, and was given", False, True),
    ("WRONGPASS invalid username-password pair", "refuses the user or the password", False, True),
    ("(0, 0): (403) ACCESS_REFUSED", "refuses the user or the password", False, True),
    ("NOPERM this user has no permissions", "does not permit this user", False, True),
    ("OOM command not allowed", "is full (maxmemory)", True, True),
    ("READONLY You can't write", "is a replica", True, True),
    ("UNBLOCKED force unblock", "is a replica", True, True),
    ("LOADING Redis is loading", "is loading its data", True, True),
    ("ERR max number of clients reached", "has no connection left", True, True),
    ("MISCONF Redis is configured", "cannot write to its disk", True, True),
    ("NOREPLICAS Not enough", "misses its replicas", True, True),
    ("MASTERDOWN Link with MASTER", "misses its replicas or its primary", True, True),
    ("No master found for 'cells'", "has no primary that the Sentinels know", True, False),
    ("MOVED 5 10.0.0.1:6379", "is part of a cluster", False, True),
    ("CROSSSLOT Keys in request", "is part of a cluster", False, True),
    ("DB index is out of range", "has no database of this number", False, True),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] x", "shows a certificate that is not trusted", False, True),
    ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] x", "wants a certificate of its clients", False, True),
    ("[SSL: WRONG_VERSION_NUMBER] x", "speaks no TLS", False, True),
    ("Connection closed by server.", "hung up", True, False),
    ("[Errno 104] Connection reset by peer", "hung up", True, False),
    ("Error 111 connecting to x:1. Connection refused.", "cannot be reached (Error 111", True, False),
]


@pytest.mark.parametrize(("said", "means", "is_passing", "answers"), SAID, ids=[one[0] for one in SAID])
def test_a_cause_is_named_with_what_mends_it_and_whether_it_passes(
    said: str, means: str, is_passing: bool, answers: bool
) -> None:
    error = redis.RedisError(said)
    sentence = explain_redis(error, load_settings().broker, "THE_VARIABLE")
    assert sentence.startswith(f"Redis at redis://localhost:6379/0 {means}")
    assert ". Try: " in sentence
    assert "{" not in sentence
    assert (passes(error), is_busy(error)) == (is_passing, is_passing and answers)


def test_the_cause_may_be_wrapped_and_have_a_code_of_its_own() -> None:
    coded = ResponseError("command not allowed", status_code="OOM")
    wrapped = OperationalError("it failed")
    wrapped.__cause__ = coded
    assert is_busy(coded)
    assert is_busy(wrapped)
    assert not is_busy(OperationalError("it failed"))


def test_what_is_said_is_one_line_of_two_hundred_characters_and_ends_once() -> None:
    sentence = explain_redis(redis.RedisError("a\nb  c" + "x" * 500), load_settings().broker)
    assert f"(a b c{'x' * 195})" in sentence
    assert "refused)." in explain_redis(redis.RedisError("refused."), load_settings().broker)


def test_another_broker_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", "amqp://localhost//")
    monkeypatch.setenv("CELLBLOCK_RESULT_BACKEND", "redis://localhost/0")
    assert broker_sentence(OSError("refused")).startswith("The broker at amqp://localhost")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A log of outages whose clock the test sets."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(outage_log, "time", SimpleNamespace(monotonic=lambda: clock.now))
    outage: Any = Outage()
    outage.clock = clock
    return outage


def line(*args: object, level: int = logging.ERROR, raised: BaseException | None = None) -> logging.LogRecord:
    record = logging.LogRecord("celery", level, "", 0, "consumer: Cannot connect to %s: %s", args, None)
    record.exc_info = (type(raised), raised, None) if raised else None
    return record


GONE, FULL = redis.ConnectionError("Error 111 connecting."), ResponseError("OOM command not allowed")


@pytest.mark.parametrize("error", [GONE, FULL, OperationalError("x"), OSError("x")])
@pytest.mark.parametrize("raised", [True, False])
def test_a_line_about_the_connection_says_why_and_shows_no_traceback(
    log: Any, error: Exception, raised: bool
) -> None:
    record = line(raised=error) if raised else line("redis://", error)
    assert log.filter(record)
    assert record.getMessage() == f"{broker_sentence(error)} The worker waits."
    assert (record.exc_info, record.exc_text) == (None, None)


def test_the_same_is_said_once_a_minute_and_another_cause_at_once(log: Any) -> None:
    told = []
    for at, error in ((0, GONE), (1, GONE), (2, FULL), (59.9, GONE), (60, GONE), (61, FULL), (62, FULL)):
        log.clock.now = 1000.0 + at
        told.append(log.filter(line("redis://", error)))
    assert told == [True, False, True, False, True, False, True]


@pytest.mark.parametrize(
    "record",
    [
        line("redis://", GONE, level=logging.INFO),
        line("a", "b"),
        line("a", "b", raised=ValueError()),
        line("a", ValueError()),
    ],
    ids=["no warning", "no error", "raised", "told"],
)
def test_every_other_line_is_left_as_it_is(log: Any, record: logging.LogRecord) -> None:
    before = record.getMessage()
    assert log.filter(record)
    assert log.filter(record)
    assert record.getMessage() == before


def test_it_hears_the_lines_of_celery_and_kombu_about_their_connections() -> None:
    names = ("celery.worker.consumer.consumer", "kombu.transport.redis", "kombu.asynchronous.hub")
    before = {name: list(logging.getLogger(name).filters) for name in names}
    outage_log.filter_connection_lines()
    added = [one for name in names for one in logging.getLogger(name).filters if one not in before[name]]
    for name in names:
        logging.getLogger(name).filters = before[name]
    assert (len(added), {type(one) for one in added}, len(set(map(id, added)))) == (3, {Outage}, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Any]:
    """A client of a Redis in which this module defines users."""
    with running_redis(tmp_path_factory.mktemp("rights")) as url, redis.Redis.from_url(url) as client:
        yield client


@contextmanager
def user_of(server: Any, *rules: str) -> Iterator[redis.Redis]:
    """Give the client of a user who has all rights except those that `rules` remove."""
    server.execute_command("ACL", "SETUSER", "user", "reset", "on", ">word", "&*", "+@all", *rules)
    port = server.get_connection_kwargs()["port"]
    with redis.Redis(port=port, username="user", password="word") as user:
        yield user


@pytest.mark.parametrize("number", range(len(_NEEDED)))
def test_each_right_is_asked_for_and_missed_alone(server: Any, number: int) -> None:
    command = _NEEDED[number][0].lower()
    with user_of(server, "~*", f"-{command}") as poor:
        missing = refusals(poor, "q")
        assert {words.split()[0].lower() for words, _ in missing} == {command}
        with pytest.raises(ResponseError, match="no permissions"):
            require_rights(poor, "q")
        assert not server.keys()


def test_a_queue_that_a_user_may_not_touch_is_told(server: Any) -> None:
    with user_of(server, "~cellblock*", "~unacked*", "~celery*") as other:
        missing = [words for words, _ in refusals(other, "mine")]
        assert {"LPUSH mine", "LMOVE mine", "BLMOVE mine"} <= set(missing)
        assert "LPUSH cellblock" not in [words for words, _ in refusals(other)]
        # The connection can still be used for other commands.
        assert other.ping()


def test_where_no_transaction_is_begun_nothing_is_carried_out(server: Any) -> None:
    with user_of(server, "~*", "-multi") as plain:
        with pytest.raises(ResponseError, match="no permissions"):
            refusals(plain)
        assert (server.keys(), plain.ping()) == ([], True)
        assert server.info("commandstats")["cmdstat_multi"]["rejected_calls"] == 1


def test_who_may_do_everything_is_refused_nothing(server: Any) -> None:
    require_rights(server)
    assert refusals(server) == []
