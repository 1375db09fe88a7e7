"""Jobs that take longer than clients wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import pytest
import redis

from tests.api.mcp.talking import session_over_stdio, until
from tests.programs import running, unique_sleep

if TYPE_CHECKING:
    from tests.api.mcp.talking import Session

pytestmark = pytest.mark.anyio


async def test_a_long_job_reports_progress_is_answered_with_its_id_and_its_result_follows(
    hasty: Session,
) -> None:
    began = time.monotonic()
    answer = await hasty.run("echo one; sleep 1; echo two; sleep 5; echo three > made")
    assert time.monotonic() - began < 6
    assert (answer.facts["status"], answer.facts["stdout"], answer.is_error) == (
        "running",
        "one\ntwo\n",
        False,
    )
    assert "Call `result` to wait for the rest, or `cancel` to end it." in answer.text
    assert hasty.progress[-1][1] == "two"
    assert [seconds for seconds, _ in hasty.progress] == sorted(seconds for seconds, _ in hasty.progress)
    while (rest := await hasty.call("result", job=answer.facts["job"])).facts["status"] == "running":
        assert not rest.is_error
    assert (rest.facts["status"], rest.facts["stdout"]) == ("succeeded", "one\ntwo\n")
    assert await hasty.stdout("cat made") == "three\n"


async def test_of_the_output_of_a_running_job_the_newest_is_shown_and_how_much_came_before(
    hasty: Session,
) -> None:
    answer = await hasty.run("seq 10000; sleep 60")
    assert answer.facts["stdout"].endswith("9999\n10000\n")
    assert f"({48894 - 8192} bytes before it are left out)" in answer.text
    await hasty.call("cancel")


async def test_a_result_can_be_asked_for_again(session: Session) -> None:
    first = await session.run("echo one")
    await session.run("echo two")
    assert (await session.call("result", job=first.facts["job"])).facts["stdout"] == "one\n"
    assert (await session.call("result")).facts["stdout"] == "two\n"


async def test_a_job_that_is_cancelled_ends_and_the_session_goes_on(hasty: Session) -> None:
    command = unique_sleep(60)
    answer = await hasty.run(f"echo begun; {command}")
    cancelled = await hasty.call("cancel", job=answer.facts["job"])
    assert (cancelled.facts["status"], cancelled.facts["stdout"]) == ("cancelled", "begun\n")
    assert not running(command)
    assert await hasty.stdout("echo on") == "on\n"


async def test_while_a_job_runs_other_calls_are_told_which_one(hasty: Session) -> None:
    job = (await hasty.run("sleep 60")).facts["job"]
    for tool, arguments in (("run", {"command": "true"}), ("read_file", {"path": "a"}), ("list_files", {})):
        answer = await hasty.call(tool, **arguments)
        assert answer.is_error
        assert answer.text.startswith(f"Job {job} still runs in this workspace. Wait for it with `result`")
    await hasty.call("cancel")


async def test_a_call_that_the_client_gives_up_ends_its_job(hasty: Session) -> None:
    command = unique_sleep(60)
    with anyio.move_on_after(1.5):
        await hasty.run(command)
    await until(lambda: not running(command), "the job is cancelled")
    assert await hasty.stdout("echo on") == "on\n"


async def test_without_a_worker_the_answer_says_so_and_nothing_waits_for_one(broker_url: str) -> None:
    async with session_over_stdio(broker_url, CELLBLOCK_MCP_ANSWER="1") as session:
        answer = await session.run("true")
        assert answer.facts["status"] == "queued"
        assert "no worker has taken it for 1 s; all are busy, or none runs" in answer.text
        cancelled = await session.call("cancel")
        assert cancelled.text.endswith("is cancelled: it does not start any more, or ends soon.")
        written = await session.call("write_file", path="a", content="x")
        assert (written.is_error, "all are busy, or none runs" in written.text) == (True, True)
    with redis.Redis.from_url(broker_url) as client:
        assert len(list(client.scan_iter("cellblock.cancel:*"))) == 2
        client.flushdb()
