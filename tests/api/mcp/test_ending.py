"""What becomes of a session's job when its client or its server goes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
import redis

from tests.api.mcp.bare import BareClient, bare_server, call
from tests.api.mcp.talking import running_http, session_over_http, session_over_stdio, until
from tests.programs import running, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Worker


@pytest.mark.parametrize("answer_s", ["1", "45"])
def test_a_client_that_closes_its_end_cancels_its_job(worker: Worker, answer_s: str) -> None:
    command = unique_sleep(60)
    with bare_server(worker.broker_url, call(command), CELLBLOCK_MCP_ANSWER=answer_s) as server:
        wait_until(lambda: running(command), 20, "the job runs")
        assert server.stdout
        assert server.stdin
        if answer_s == "1":
            assert '"status":"running"' in [server.stdout.readline() for _ in range(2)][-1]
        server.stdin.close()
        server.stdin = None
        assert server.wait(10) == 0
        wait_until(lambda: not running(command), 10, "the job is cancelled")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_ended_by_a_signal_cancels_its_job(worker: Worker, number: int) -> None:
    command = unique_sleep(60)
    with bare_server(worker.broker_url, call(command)) as server:
        wait_until(lambda: running(command), 20, "the job runs")
        server.send_signal(number)
        assert server.wait(10) == -number
        wait_until(lambda: not running(command), 10, "the job is cancelled")


def test_only_the_protocol_is_written_to_stdout_and_neither_command_nor_output_to_the_log(
    worker: Worker,
) -> None:
    messages = [call("echo secret-$((40 + 2))", 2), call("exit 1", 3)]
    with bare_server(worker.broker_url, *messages, CELLBLOCK_LOG_LEVEL="DEBUG") as server:
        assert server.stdout
        lines = [json.loads(server.stdout.readline()) for _ in range(3)]
        assert {line["id"] for line in lines} == {1, 2, 3}
        assert "secret-42" in json.dumps(lines)
        rest, log = server.communicate(timeout=10)
    assert rest == ""
    assert "DEBUG" in log
    assert "secret-" not in log


def test_junk_is_answered_or_passed_over_and_the_session_goes_on(worker: Worker) -> None:
    lone = '{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "\\ud800"}}'
    with bare_server(worker.broker_url) as server:
        assert server.stdin
        for junk in ("no json", "[]", "{}", "[" * 5000, lone, '{"jsonrpc": "2.0", "id": 8, "method": "x"}'):
            server.stdin.write(junk + "\n")
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **call("echo on", 9)}) + "\n")
        server.stdin.flush()
        assert server.stdout
        answer = next(line for line in server.stdout if '"id":9' in line)
        assert "on\\n" in answer


@pytest.mark.anyio
async def test_over_http_a_session_that_ends_cancels_its_job(worker: Worker, tmp_path: Path) -> None:
    command = unique_sleep(60)
    with running_http(tmp_path, worker.broker_url, CELLBLOCK_MCP_ANSWER="1") as server:
        async with session_over_http(server.url) as session:
            await session.run(command)
            await until(lambda: running(command), "the job runs")
        await until(lambda: not running(command), "the job is cancelled")


def opened(url: str) -> BareClient:
    """A client whose session is open."""
    client = BareClient(url)
    assert client.open().status_code == 200
    return client


def test_over_http_a_server_that_is_ended_cancels_the_jobs_of_its_sessions(
    worker: Worker, tmp_path: Path
) -> None:
    command = unique_sleep(60)
    with running_http(tmp_path, worker.broker_url, CELLBLOCK_MCP_ANSWER="1") as server:
        opened(server.url).send(call(command))
        wait_until(lambda: running(command), 20, "the job runs")
    wait_until(lambda: not running(command), 10, "the job is cancelled")


def test_over_http_a_job_goes_on_while_its_client_is_gone_and_the_session_can_be_taken_up(
    worker: Worker, tmp_path: Path
) -> None:
    with running_http(tmp_path, worker.broker_url) as server:
        client = opened(server.url)
        command = unique_sleep(3)
        client.send(call(f"{command}; echo the end"), stream=True).close()
        wait_until(lambda: running(command), 20, "the job runs")
        later = {"id": 3, "method": "tools/call", "params": {"name": "result", "arguments": {}}}
        assert "the end\\n" in client.send(later).text


def test_over_http_a_session_that_is_idle_ends_and_so_does_its_job(worker: Worker, tmp_path: Path) -> None:
    command = unique_sleep(60)
    settings = {"CELLBLOCK_MCP_ANSWER": "1", "CELLBLOCK_MCP_IDLE": "3"}
    with running_http(tmp_path, worker.broker_url, **settings) as server:
        client = opened(server.url)
        client.send(call(command))
        wait_until(lambda: running(command), 20, "the job runs")
        wait_until(lambda: not running(command), 20, "the job is cancelled")
        assert client.send(call("true")).status_code == 404


def large_blobs(broker_url: str) -> int:
    """How many blobs of more than 100 KB there are."""
    with redis.Redis.from_url(broker_url) as client:
        hashes = client.scan_iter("cellblock.blob*", _type="hash")
        return sum(int(client.hget(key, "size") or 0) > 100_000 for key in hashes)


@pytest.mark.anyio
async def test_of_a_sessions_workspaces_one_is_kept_and_none_after_its_end(worker: Worker) -> None:
    before = large_blobs(worker.broker_url)
    async with session_over_stdio(worker.broker_url) as session:
        for number in range(3):
            await session.run(f"head -c 200000 /dev/urandom > file; echo {number}")
        await until(lambda: large_blobs(worker.broker_url) == before + 1, "the others are removed")
        assert await session.stdout("wc -c < file") == "200000\n"
    await until(lambda: large_blobs(worker.broker_url) == before, "it is removed")
