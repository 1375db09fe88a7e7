"""What the API sends to the queue, where no worker takes it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.api.running import Api, running_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token-0123456789"  # noqa: S105
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def queue(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as server:
        yield server
        server.flushdb()


@pytest.fixture
def api(tmp_path: Path, broker_url: str, queue: redis.Redis) -> Iterator[Api]:
    del queue
    settings = {"CELLBLOCK_TENANT_MAX_QUEUED": "2"}
    with running_api(tmp_path, broker_url, f"{TOKEN} alice timeout=5\n", **settings) as running:
        yield running


def headers_of(queue: redis.Redis) -> dict[str, Any]:
    """The headers of the one message that waits."""
    (message,) = queue.lrange("cellblock", 0, -1)
    headers: dict[str, Any] = json.loads(message)["headers"]
    return headers


def test_a_message_names_the_tenant_and_wants_live_output(api: Api, queue: redis.Redis) -> None:
    job_id = api.caller(TOKEN).submit("true").json()["id"]
    headers = headers_of(queue)
    assert (headers["id"], headers["cellblock_tenant"], headers["cellblock_live"]) == (job_id, "alice", True)


def test_the_limits_of_a_token_are_in_the_message(api: Api, queue: redis.Redis) -> None:
    api.caller(TOKEN).submit("true")
    (message,) = queue.lrange("cellblock", 0, -1)
    _, kwargs, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    assert kwargs == {"cmd": "true", "runtime": "bash", "timeout": 5}


def test_a_job_belongs_to_the_trace_of_its_request(api: Api, queue: redis.Redis) -> None:
    api.caller(TOKEN).submit("true", headers={"traceparent": PARENT, "tracestate": "a=b"})
    headers = headers_of(queue)
    assert (headers["traceparent"], headers["tracestate"]) == (PARENT, "a=b")


def test_a_trace_that_is_none_is_left_out(api: Api, queue: redis.Redis) -> None:
    api.caller(TOKEN).submit("true", headers={"traceparent": "x" * 60, "tracestate": "a=b"})
    assert not {"traceparent", "tracestate"} & headers_of(queue).keys()


def test_a_full_queue_is_answered_with_when_to_come_again(api: Api) -> None:
    caller = api.caller(TOKEN)
    answers = [caller.submit("true") for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 75
    assert answers[2].json()["type"] == "urn:cellblock:problem:queue-full"


def test_a_job_that_found_the_queue_full_is_not_known_and_may_be_sent_again(
    api: Api, queue: redis.Redis
) -> None:
    caller, key = api.caller(TOKEN), {"Idempotency-Key": "one"}
    for _ in range(2):
        caller.submit("true")
    assert caller.submit("true", headers=key).status_code == 429
    assert len(queue.keys("cellblock.api.job:*")) == 2
    queue.flushdb()
    assert caller.submit("true", headers=key).status_code == 202


def test_a_job_whose_sending_was_not_confirmed_is_sent_again_under_the_same_id(
    api: Api, queue: redis.Redis
) -> None:
    caller, key = api.caller(TOKEN), {"Idempotency-Key": "one"}
    job_id = caller.submit("true", headers=key).json()["id"]
    claim = json.loads(queue.get(f"cellblock.api.job:{job_id}") or b"")
    queue.delete("cellblock")
    assert caller.submit("true", headers=key).json()["id"] == job_id
    assert not queue.llen("cellblock")
    queue.set(f"cellblock.api.job:{job_id}", json.dumps(claim | {"sent": False}), ex=60)
    assert caller.submit("true", headers=key).json()["id"] == job_id
    assert headers_of(queue)["id"] == job_id


def test_a_job_that_waits_says_so_and_its_events_say_nothing_yet(api: Api, queue: redis.Redis) -> None:
    caller = api.caller(TOKEN)
    job_id = caller.submit("true").json()["id"]
    assert caller.look(job_id, wait=0.2).json()["state"] == "queued"
    answer = caller.call("GET", f"/v1/jobs/{job_id}/events", stream=True)
    assert next(answer.iter_lines()) == b"retry: 1000"
    answer.close()
