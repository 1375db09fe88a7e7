"""The API while Redis is away, and at its start."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from tests.api.running import Api, running_api
from tests.programs import free_port, run_cli, running_redis
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[str]:
    with running_redis(tmp_path) as url:
        yield f"{url}/0"


def server_of(url: str) -> psutil.Process:
    """The process of a Redis."""
    with redis.Redis.from_url(url) as client:
        return psutil.Process(client.info("server")["process_id"])


@pytest.fixture
def api(tmp_path: Path, own_redis: str) -> Iterator[Api]:
    with running_api(tmp_path, own_redis, CELLBLOCK_PUBLISH_TIMEOUT="1") as running:
        yield running


def is_away(answer: Any) -> bool:
    return (answer.status_code, answer.json()["type"], "Retry-After" in answer.headers) == (
        503,
        "urn:cellblock:problem:unavailable",
        True,
    )


def test_without_redis_every_answer_says_when_to_come_again_and_none_tells_its_address(
    api: Api, own_redis: str
) -> None:
    caller = api.caller(None)
    job_id = caller.submit("true").json()["id"]
    server_of(own_redis).kill()
    port = str(urlsplit(own_redis).port)
    answers = [caller.submit("true"), caller.look(job_id), caller.cancel(job_id), caller.look(job_id, wait=1)]
    answers += [caller.call("GET", f"/v1/jobs/{job_id}/events"), caller.call("GET", "/healthz")]
    assert all(map(is_away, answers))
    assert not any(port in one.text for one in answers)
    assert "Traceback" not in api.log()


def test_a_redis_that_hangs_is_not_waited_for_and_other_answers_go_on(api: Api, own_redis: str) -> None:
    caller = api.caller(None)
    server = server_of(own_redis)
    server.suspend()
    try:
        waiting = [threading.Thread(target=caller.submit, args=("true",)) for _ in range(20)]
        for one in waiting:
            one.start()
        began = time.monotonic()
        assert api.caller(None).call("GET", "/v1/runtimes").status_code == 200
        assert time.monotonic() - began < 2
        for one in waiting:
            one.join()
        assert time.monotonic() - began < 30
    finally:
        server.resume()
    wait_until(lambda: caller.call("GET", "/healthz").status_code == 200, 20, "Redis is back")
    with redis.Redis.from_url(own_redis) as client:
        client.flushdb()


def test_a_waiter_gets_its_result_although_the_subscription_was_lost(tmp_path: Path, worker: Worker) -> None:
    with running_api(tmp_path, worker.broker_url) as api, redis.Redis.from_url(worker.broker_url) as server:
        caller = api.caller(None)
        answers: list[Any] = []
        waiting = threading.Thread(target=lambda: answers.append(caller.submit("sleep 2", 30).json()))
        waiting.start()
        wait_until(lambda: server.keys("cellblock.lease:*"), 20, "the job runs")
        server.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        waiting.join()
        assert answers[0]["result"]["status"] == "succeeded"


def test_a_result_that_is_too_large_for_subscribers_arrives_all_the_same(
    tmp_path: Path, worker: Worker
) -> None:
    with running_api(tmp_path, worker.broker_url) as api, redis.Redis.from_url(worker.broker_url) as server:
        before = server.config_get("client-output-buffer-limit")
        server.config_set("client-output-buffer-limit", "pubsub 100kb 50kb 1")
        try:
            flood = "head -c 1000000 /dev/zero | tr '\\0' x"
            assert api.caller(None).result(flood, output_limit="2m")["stdout_bytes"] == 1_000_000
        finally:
            server.config_set("client-output-buffer-limit", before["client-output-buffer-limit"])


def test_a_stream_that_lost_redis_ends_and_goes_on_where_it_was(tmp_path: Path, worker: Worker) -> None:
    with running_api(tmp_path, worker.broker_url) as api, redis.Redis.from_url(worker.broker_url) as server:
        caller = api.caller(None)
        job_id = caller.submit("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.4; done").json()["id"]
        told: list[dict[str, Any]] = []
        following = threading.Thread(target=lambda: told.extend(caller.events(job_id)))
        following.start()
        wait_until(lambda: server.xlen(f"cellblock.live:{job_id}") > 3, 20, "there is output")
        for _ in range(3):
            server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        following.join()
        told += caller.events(job_id, after=told[-1]["id"]) if told[-1]["event"] != "end" else []
        output = "".join(one["data"].get("text", "") for one in told if one["event"] == "stdout")
        assert output == "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
        assert "Traceback" not in api.log()


def test_the_api_does_not_start_without_redis() -> None:
    done = run_cli("api", "--port=0", CELLBLOCK_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert (done.returncode, "cannot be reached" in done.stderr) == (125, True)


def test_a_port_that_is_taken_is_said_in_one_sentence(own_redis: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_cli("api", f"--port={port}", CELLBLOCK_BROKER_URL=own_redis)
    assert (done.returncode, "Address already in use. Try: another port" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_api_at_once_while_clients_wait(
    tmp_path: Path, own_redis: str, number: int
) -> None:
    with running_api(tmp_path, own_redis) as api:
        caller, answers = api.caller(None), list[Any]()
        waiting = threading.Thread(target=lambda: answers.append(caller.submit("true", 60)))
        waiting.start()
        with redis.Redis.from_url(own_redis) as client:
            wait_until(lambda: client.llen("cellblock"), 20, "the job is sent")
            client.flushdb()
        os.kill(api.process.pid, number)
        assert api.process.wait(10) == 0
        waiting.join()
        assert (answers[0].status_code, answers[0].json()["state"]) == (202, "queued")
