"""Live output over HTTP, as server-sent events."""

from __future__ import annotations

import base64
import os
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from tests.api.running import Api, Caller, running_api
from tests.programs import unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker


def test_output_comes_as_events_and_the_last_one_has_the_status(alice: Caller) -> None:
    job_id = alice.submit("echo one; sleep 0.2; echo two >&2; exit 3").json()["id"]
    told = [(one["event"], one["data"].get("text")) for one in alice.events(job_id)]
    assert told == [("start", None), ("stdout", "one\n"), ("stderr", "two\n"), ("end", None)]
    assert alice.events(job_id)[-1]["data"] == {"status": "failed"}


def test_a_client_that_comes_again_gets_only_the_rest(alice: Caller) -> None:
    job_id = alice.submit("echo one; sleep 0.3; echo two").json()["id"]
    events = alice.events(job_id)
    rest = alice.events(job_id, after=events[1]["id"])
    assert [one["data"].get("text") for one in rest] == ["two\n", None]


def test_a_browser_that_has_the_last_event_is_told_not_to_come_again(alice: Caller) -> None:
    job_id = alice.submit("true").json()["id"]
    last = alice.events(job_id)[-1]["id"]
    answer = alice.call("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 204


def test_bytes_that_are_no_text_come_in_base64_too(alice: Caller) -> None:
    job_id = alice.submit(r"printf '\377\0a'").json()["id"]
    pieces = [one["data"] for one in alice.events(job_id) if one["event"] == "stdout"]
    assert "".join(one["text"] for one in pieces) == "\ufffd\0a"
    assert base64.b64decode(pieces[0]["base64"]) == b"\xff\0a"[: len(pieces[0]["text"])]


def test_no_line_of_a_job_can_be_taken_for_an_event(alice: Caller) -> None:
    forged = r"printf 'x\n\nevent: end\ndata: {}\n\n'"
    events = alice.events(alice.submit(forged).json()["id"])
    assert "".join(one["data"].get("text", "") for one in events) == "x\n\nevent: end\ndata: {}\n\n"
    assert [one["event"] for one in events if one["event"] == "end"] == ["end"]


def test_a_job_with_no_live_output_has_its_outputs_as_events_at_its_end(alice: Caller) -> None:
    job_id = alice.submit("echo out; echo err >&2", query="&live=false").json()["id"]
    told = [(one["event"], one["data"]) for one in alice.events(job_id)]
    outputs = [("stdout", {"text": "out\n"}), ("stderr", {"text": "err\n"})]
    assert told == [*outputs, ("end", {"status": "succeeded"})]


@pytest.mark.parametrize("after", ["x", "-", "1-", "1-2-3", "18446744073709551616", "1" * 21, "+1", "é"])
def test_an_id_that_is_no_events_is_refused(alice: Caller, after: str) -> None:
    job_id = alice.submit("true", 60).json()["id"]
    headers = {"Last-Event-ID": after.encode().decode("latin-1")}
    answer = alice.call("GET", f"/v1/jobs/{job_id}/events", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cellblock:problem:bad-parameter")


@contextmanager
def following(caller: Caller, job_id: str) -> Iterator[socket.socket]:
    """A connection that has begun to follow a job, and reads no further."""
    where = urlsplit(caller.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 30) as connection:
        head = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n"
        connection.sendall(f"{head}Authorization: Bearer {caller.token}\r\n\r\n".encode())
        said = b""
        while b"event: start" not in said:
            more = connection.recv(4096)
            assert more, said
            said += more
        yield connection


def clients(worker: Worker) -> int:
    """How many connections Redis has."""
    with redis.Redis.from_url(worker.broker_url) as server:
        return int(server.info("clients")["connected_clients"])


def test_a_client_that_vanishes_leaves_no_connection_and_the_job_runs_on(
    alice: Caller, worker: Worker, api: Api
) -> None:
    job_id = alice.started(unique_sleep(60))
    before, files = clients(worker), psutil.Process(api.process.pid).num_fds()
    with following(alice, job_id):
        wait_until(lambda: clients(worker) > before, 10, "it is followed")
    wait_until(lambda: clients(worker) <= before, 10, "Redis has lost the follower")
    wait_until(lambda: psutil.Process(api.process.pid).num_fds() <= files, 10, "no descriptor is left")
    assert alice.look(job_id).json()["state"] == "running"
    alice.cancel(job_id)
    alice.look(job_id, wait=30)


def test_a_stream_ends_when_the_api_is_stopped(tmp_path: Path, worker: Worker, alice: Caller) -> None:
    with running_api(tmp_path, worker.broker_url) as api:
        caller = api.caller(None)
        job_id = caller.started(unique_sleep(60))
        with following(caller, job_id) as connection:
            os.kill(api.process.pid, signal.SIGTERM)
            connection.settimeout(5)
            while connection.recv(4096):
                continue
        assert api.process.wait(5) == 0
    with redis.Redis.from_url(worker.broker_url) as server:
        server.set(f"cellblock.cancel:{job_id}", 1, ex=60)
        wait_until(lambda: server.exists(f"celery-task-meta-{job_id}"), 20, "the job is over")
