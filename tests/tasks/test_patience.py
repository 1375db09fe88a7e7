"""Which of Redis's errors are temporary, and which calls wait for their end."""

from __future__ import annotations

import copy
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis._parsers import BaseParser
from redis.exceptions import RedisError, ResponseError

from sandbox import SandboxUnavailable
from tasks import app, patience
from tasks.patience import guard_event_loop, is_away, patiently
from tasks.pool.resting_limits import SUSPEND, Limits
from tasks.results.worker_backend import PatientRedis
from tests.chaos.durable_redis import DurableRedis
from tests.clock import Clock
from tests.tasks.test_lease import of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

# Untyped in redis-py.
PARSER: Any = BaseParser

AWAY = [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "ERR max number of clients reached",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM this user has no permissions to run the 'eval' command",
    # An error in a script, in the words of Redis 6 and Redis 7.
    "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -OOM command not allowed",
    "ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write against a replica",
]
OURS = [
    "ERR unknown command 'FROB'",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "NOSCRIPT No matching script. Please use EVAL.",
    "Command # 1 (SETEX key 60 OOM READONLY) of pipeline caused error: ERR invalid expire time",
]


@pytest.mark.parametrize("said", AWAY)
def test_what_passes_by_itself_is_waited_for(said: str) -> None:
    assert is_away(PARSER.parse_error(said))


@pytest.mark.parametrize("said", OURS)
def test_what_does_not_pass_is_raised(said: str) -> None:
    assert not is_away(PARSER.parse_error(said))


@pytest.mark.parametrize("error", [redis.ConnectionError(), redis.TimeoutError()])
def test_a_redis_that_is_gone_or_silent_is_waited_for(error: RedisError) -> None:
    assert is_away(error)


def test_nobody_elses_error_is_waited_for() -> None:
    with pytest.raises(SandboxUnavailable):
        patiently(_raise_ours)


def _raise_ours() -> None:
    raise SandboxUnavailable("the engine")


def test_the_first_answer_is_given_whatever_came_before() -> None:
    answers = iter([redis.ConnectionError(), ResponseError("LOADING it"), 42])

    def call() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(call) == 42


def test_patience_has_an_end() -> None:
    with pytest.raises(redis.ConnectionError):
        patiently(_gone, within_s=0.2)


def _gone() -> None:
    raise redis.ConnectionError


def test_the_event_loop_of_a_worker_waits_no_more_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_loop", {})
    monkeypatch.setattr(patience, "_LOOP_PATIENCE_S", 0.2)
    guard_event_loop()
    with pytest.raises(redis.ConnectionError):
        patiently(_gone)


def test_every_command_of_a_workers_result_backend_waits_until_redis_takes_it(tmp_path: Path) -> None:
    with DurableRedis(tmp_path) as server, server.client() as client:
        # Celery's type stubs are incomplete here.
        backend: Any = PatientRedis(app=app, url=server.url)
        client.config_set("maxmemory", 1)
        storing = threading.Thread(target=lambda: backend._set("a result", "its text", 60))
        with warnings.catch_warnings(action="ignore"):
            storing.start()
            wait_until(lambda: patience._outage._began is not None, 5, "it was refused")
            client.config_set("maxmemory", 0)
            storing.join(10)
        backend.client.close()
        assert client.get("a result") == "its text"


@pytest.mark.parametrize(
    ("option", "bad", "good"), [("maxmemory", 1, 0), ("min-replicas-to-write", 1, 0)], ids=["full", "alone"]
)
def test_a_lease_is_asked_for_until_redis_grants_it(tmp_path: Path, option: str, bad: int, good: int) -> None:
    with DurableRedis(tmp_path) as server, server.client() as client:
        client.config_set(option, bad)
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(of(client, 0).acquire()))
        asking.start()
        wait_until(lambda: patience._outage._began is not None, 5, "it was refused")
        client.config_set(option, good)
        asking.join(10)
    assert answers == ["granted"]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    time = Clock()
    monkeypatch.setattr(patience, "time", time)
    monkeypatch.setattr(patience, "_outage", patience._Outage())
    return time


def test_the_pauses_double_up_to_a_second_and_it_lasts_as_long_as_a_result_is_kept(
    time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_RESULT_EXPIRES", "60")
    with pytest.raises(redis.ConnectionError):
        patiently(_gone)
    assert time.slept_s[:6] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
    assert set(time.slept_s[6:]) == {1.0}
    assert 58 < sum(time.slept_s) <= 60


def test_an_event_loop_waits_two_seconds_and_other_threads_and_processes_longer(
    time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_loop", {})
    assert not patience.may_wait()
    guard_event_loop()
    assert not patience.may_wait()
    with pytest.raises(redis.ConnectionError):
        patiently(_gone, within_s=60)
    assert 1 < sum(time.slept_s) <= 2
    elsewhere: list[bool] = []
    thread = threading.Thread(target=lambda: elsewhere.append(patience.may_wait()))
    thread.start()
    thread.join()
    patience._loop["process"] += 1
    assert elsewhere == [True]
    assert patience.may_wait()


def test_a_jobs_limits_rest_from_the_first_refusal(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    limits = Limits()
    limits.attach(told.append)
    limits.accepted(7)
    monkeypatch.setattr(patience, "limits", limits)
    assert patiently(lambda: 5) == 5
    assert told == []
    with pytest.raises(redis.ConnectionError):
        patiently(_gone, within_s=1)
    assert told == [(SUSPEND, (7,))]


def test_an_outage_is_logged_when_it_begins_and_when_it_is_over(
    time: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        _come_back_after([redis.ConnectionError("a secret")] * 3)
    told = [
        "Redis is away for now (ConnectionError): what needs it waits until it is back",
        "Redis is back after 0.4 s and 3 tries",
    ]
    assert caplog.messages == told * 2


def _come_back_after(errors: list[Exception]) -> None:
    answers = iter([*errors, None])
    patiently(lambda: _raised(next(answers)))


def _raised(error: Exception | None) -> None:
    if error:
        raise error


def test_a_connection_within_a_call_that_waits_is_not_the_end_of_the_outage(
    time: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([redis.ConnectionError(), redis.ConnectionError(), None])

    def call() -> None:
        patiently(lambda: "connected")
        _raised(next(answers))

    patiently(call)
    assert [message.split()[2] for message in caplog.messages] == ["away", "back"]


def test_a_command_is_tried_again_over_a_new_connection_each_time(time: Clock) -> None:
    answers = iter([redis.ConnectionError("one"), redis.TimeoutError("two"), None])
    closed: list[tuple[object, ...]] = []
    retry = patience.PatientRetry()
    retry.call_with_retry(lambda: _raised(next(answers)), lambda *about: closed.append(about))
    assert [(len(about), str(about[0])) for about in closed] == [(1, "one"), (1, "two")]
    answers = iter([redis.ConnectionError("one"), redis.TimeoutError("two"), None])
    retry.call_with_retry(
        lambda: _raised(next(answers)), lambda *about: closed.append(about), with_failure_count=True
    )
    assert [about[1:] for about in closed[2:]] == [(1,), (2,)]
    assert copy.deepcopy(retry) is retry


@pytest.mark.parametrize(
    "is_retryable", [None, lambda _: True, lambda _: False], ids=["unknown", "yes", "no"]
)
def test_a_connection_is_closed_for_no_error_that_would_come_again(time: Clock, is_retryable: Any) -> None:
    closed: list[object] = []
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        patience.PatientRetry().call_with_retry(
            lambda: _raised(ResponseError("WRONGTYPE it")), closed.append, is_retryable
        )
    assert closed == []


def test_an_error_that_must_not_be_tried_again_leaves_its_connection_as_it_is(time: Clock) -> None:
    answers, closed = iter([redis.ConnectionError(), None]), list[object]()
    patience.PatientRetry().call_with_retry(lambda: _raised(next(answers)), closed.append, lambda _: False)
    assert closed == []


@pytest.mark.parametrize(
    ("said", "has_no_room"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", True),
        ("MISCONF Redis is configured to save RDB snapshots, but it's unable to.", True),
        ("NOREPLICAS Not enough good replicas to write.", True),
        ("READONLY You can't write against a read only replica.", False),
        ("LOADING Redis is loading the dataset in memory", False),
        ("ERR unknown command 'OOM'", False),
    ],
)
def test_a_redis_that_has_no_room_is_still_the_right_one(said: str, has_no_room: bool) -> None:
    assert patience.refuses_writes(PARSER.parse_error(said)) is has_no_room


def test_a_code_far_within_an_error_is_somebodys_data() -> None:
    assert not is_away(ResponseError(f"ERR {'x' * 300} OOM"))
    assert not is_away(ValueError("OOM it"))
