"""The server while Redis is away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from tests.api.mcp.talking import session_over_stdio, until
from tests.programs import running, running_redis, running_worker, unique_sleep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[str]:
    with running_redis(tmp_path) as url:
        yield f"{url}/0"


def server_of(url: str) -> psutil.Process:
    """The process of a Redis."""
    with redis.Redis.from_url(url) as client:
        return psutil.Process(client.info("server")["process_id"])


SETTINGS = {"CELLBLOCK_MCP_ANSWER": "2", "CELLBLOCK_PUBLISH_TIMEOUT": "1"}


async def test_without_redis_each_answer_says_so_and_none_tells_its_address(own_redis: str) -> None:
    server_of(own_redis).kill()
    async with session_over_stdio(own_redis, **SETTINGS) as session:
        for tool, arguments in (("run", {"command": "true"}), ("write_file", {"path": "a", "content": ""})):
            answer = await session.call(tool, **arguments)
            assert answer.is_error
            assert answer.text == "The queue cannot be reached now. Try again in some seconds."


async def test_a_redis_that_hangs_is_not_waited_for_and_the_job_can_be_asked_for_later(
    own_redis: str, tmp_path: Path
) -> None:
    with running_worker(tmp_path, own_redis, "--concurrency=1"):
        async with session_over_stdio(own_redis, **SETTINGS) as session:
            command, redis_server = unique_sleep(2), server_of(own_redis)
            job = (await session.run(f"{command}; echo done; sleep 1")).facts["job"]
            redis_server.suspend()
            try:
                began = time.monotonic()
                again = await session.call("result", job=job)
                others = [await session.run("true"), await session.call("cancel")]
                assert (again.facts["job"], [one.is_error for one in others]) == (job, [True, True])
                assert time.monotonic() - began < 15
            finally:
                redis_server.resume()
            await until(lambda: not running(command), "the job is over", 30)
            answer = await session.call("result", job=job)
            while answer.facts.get("status") in ("running", "queued", "unknown"):
                answer = await session.call("result", job=job)
            assert (answer.facts["status"], answer.facts["stdout"]) == ("succeeded", "done\n")


async def test_a_job_that_was_sent_before_redis_hangs_is_answered_with_its_id(own_redis: str) -> None:
    redis_server = server_of(own_redis)
    async with session_over_stdio(own_redis, **SETTINGS) as session:
        calling = asyncio.create_task(session.run("true"))
        with redis.Redis.from_url(own_redis) as client:
            await until(lambda: client.llen("cellblock"), "the job waits")
        redis_server.suspend()
        try:
            answer = await calling
        finally:
            redis_server.resume()
    assert (answer.facts["status"], answer.is_error) == ("unknown", False)
    assert f"Job {answer.facts['job']} was sent, and the queue cannot be reached now." in answer.text
