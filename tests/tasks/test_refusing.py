"""What a worker's main process does with a bad request."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.exceptions import ConnectionError as RedisGone

from sandbox import InvalidJob
from tasks import refusal as under_test
from tasks import run_sandboxed
from tasks.refusal import refuse
from tests.sandbox.measured import measuring
from tests.tasks.test_lease import JOB, LEASE, RESULT

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD = InvalidJob("There is no runtime 'cobol'.")


@pytest.fixture
def client(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A client of the Redis with the results and the messages."""
    with redis.Redis.from_url(broker_url, decode_responses=True) as database:
        monkeypatch.setattr(under_test, "result_redis", lambda: database)
        monkeypatch.setattr(under_test, "task_ready", lambda _: None)
        yield database
        database.flushdb()


@pytest.fixture
def seen() -> list[str]:
    """What becomes of the message, and the events."""
    return []


@pytest.fixture
def request_of(seen: list[str]) -> Any:
    """Makes a request as the main process has it, with these headers."""

    def request_of(**headers: Any) -> Any:
        run_sandboxed.push_request(**({"id": JOB} | headers))
        context = run_sandboxed.request_stack.top
        run_sandboxed.pop_request()
        return SimpleNamespace(
            id=JOB,
            task=run_sandboxed,
            _context=context,
            acknowledge=lambda: seen.append("acknowledged"),
            send_event=lambda kind, **_: seen.append(kind),
        )

    return request_of


def test_a_bad_request_fails_and_its_message_is_done(
    client: redis.Redis, request_of: Any, seen: list[str]
) -> None:
    assert refuse(request_of(), BAD)
    stored = json.loads(client.get(RESULT) or "")
    told = {"exc_type": "InvalidJob", "exc_message": [str(BAD)], "exc_module": "sandbox.errors"}
    assert (stored["status"], stored["result"]) == ("FAILURE", told)
    assert (seen, client.ttl(RESULT) > 0) == (["task-failed", "acknowledged"], True)


@pytest.mark.usefixtures("client")
def test_a_refused_request_is_counted_as_a_failure(request_of: Any) -> None:
    with measuring() as measured:
        assert refuse(request_of(), BAD)
    assert ("cellblock_failures_total", 1, {"error": "InvalidJob"}) in measured


def test_a_job_that_has_its_result_keeps_it(client: redis.Redis, request_of: Any, seen: list[str]) -> None:
    client.set(RESULT, json.dumps({"status": "SUCCESS"}), ex=60)
    assert (refuse(request_of(), BAD), seen) == (True, ["acknowledged"])
    assert json.loads(client.get(RESULT) or "")["status"] == "SUCCESS"


def test_a_process_of_the_pool_refuses_what_has_the_id_of_a_running_job(
    client: redis.Redis, request_of: Any, seen: list[str]
) -> None:
    client.hset(LEASE, "holder", "another")
    assert (refuse(request_of(), BAD), seen, client.exists(RESULT)) == (False, [], 0)
    client.delete(LEASE)


@pytest.mark.parametrize("follower", ["callbacks", "errbacks", "chain", "chord"])
def test_a_process_of_the_pool_refuses_what_others_wait_for(
    client: redis.Redis, request_of: Any, seen: list[str], follower: str
) -> None:
    assert not refuse(request_of(**{follower: [{"task": "next"}]}), BAD)
    assert (seen, client.exists(RESULT)) == ([], 0)


def test_a_process_of_the_pool_waits_for_a_redis_that_is_away(
    request_of: Any, seen: list[str], monkeypatch: pytest.MonkeyPatch, client: redis.Redis
) -> None:
    def gone(*_: object) -> None:
        raise RedisGone

    monkeypatch.setattr(under_test, "store_outcome", gone)
    assert (refuse(request_of(), BAD), seen) == (False, [])


def test_the_main_process_does_not_wait_for_results_elsewhere(
    request_of: Any, seen: list[str], monkeypatch: pytest.MonkeyPatch, client: redis.Redis
) -> None:
    monkeypatch.setenv("CELLBLOCK_RESULT_BACKEND", "redis://192.0.2.1:1/0")
    assert (refuse(request_of(), BAD), seen) == (False, [])
