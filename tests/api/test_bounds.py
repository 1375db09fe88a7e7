"""What a caller can't take from others: memory, connections, time."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest

from api.parts import most_body_bytes
from api.store import AT_ONCE
from tests.api.conftest import ALICE, TOKENS
from tests.api.running import Api, Caller, running_api
from tests.api.test_events import following
from tests.programs import ROOT, running_worker, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker

GIB = 1 << 30


def talk(caller: Caller, head: str, *pieces: bytes) -> str:
    """The beginning of the answer to a request that is sent piece by piece, as far as the API takes it."""
    where = urlsplit(caller.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 60) as connection:
        lines = f"{head}\r\nHost: localhost\r\nAuthorization: Bearer {caller.token}\r\n"
        connection.sendall(f"{lines}Content-Type: application/json\r\n".encode())
        try:
            for piece in pieces:
                connection.sendall(piece)
            return connection.recv(65536).decode()
        except OSError:
            return "hung up"


def resident(api: Api) -> int:
    memory: int = psutil.Process(api.process.pid).memory_info().rss
    return memory


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(api: Api, alice: Caller) -> None:
    before = resident(api)
    said = talk(alice, "POST /v1/jobs HTTP/1.1", f"Content-Length: {GIB}\r\n\r\n".encode())
    assert said.startswith("HTTP/1.1 413 ")
    assert "connection: close" in said.lower()
    assert resident(api) - before < 32 << 20


def test_a_body_whose_length_nobody_said_is_refused_once_it_is_too_long(alice: Caller, api: Api) -> None:
    before, chunk = resident(api), b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    pieces = [chunk] * (2 * most_body_bytes() >> 20)
    said = talk(alice, "POST /v1/jobs HTTP/1.1", b"Transfer-Encoding: chunked\r\n\r\n", *pieces)
    assert said == "hung up" or said.startswith("HTTP/1.1 413 ")
    assert resident(api) - before < 4 * most_body_bytes()


@pytest.mark.parametrize("length", ["9" * 5000, str(1 << 64)])
def test_a_length_that_is_no_length_is_refused(alice: Caller, length: str) -> None:
    said = talk(alice, "POST /v1/jobs HTTP/1.1", f"Content-Length: {length}\r\n\r\n".encode())
    assert said[:13] in {"HTTP/1.1 413 ", "HTTP/1.1 400 "}


def test_headers_without_end_are_refused(alice: Caller) -> None:
    said = talk(alice, "GET /v1/runtimes HTTP/1.1", *[b"x: " + b"y" * 8000 + b"\r\n"] * 100)
    assert said == "hung up" or said.startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"cmd": NaN}',
        b"\xff",
        b"[" * 100_000,
        b'{"timeout": ' + b"1" * 10_000 + b"}",
    ],
    ids=lambda body: repr(body[:15]),
)
def test_a_body_that_is_no_object_is_refused(alice: Caller, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = alice.call("POST", "/v1/jobs", data=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:cellblock:problem:bad-request")


@pytest.mark.parametrize(
    "job",
    [
        {"cmd": "true", "timeout": 10**400},
        {"cmd": ["\ud800"]},
        {"cmd": "true", "files": {"a" * 100_000: "x"}},
        {"cmd": "true", "env": {"A": {"B": [[[[]]]] * 1000}}},
        {"cmd": "true", "x" * 1_000_000: 1},
        {"cmd": "true", "memory": "9" * 100_000},
    ],
    ids=lambda job: str(job)[15:40],
)
def test_a_hostile_job_is_refused_with_a_short_sentence(alice: Caller, job: dict[str, Any]) -> None:
    answer = alice.call(
        "POST", "/v1/jobs", data=json.dumps(job), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert len(answer.content) < 1000


def test_a_tenant_has_no_more_open_than_its_token_allows(bob: Caller) -> None:
    job_id = bob.started(unique_sleep(30), timeout=2)
    with following(bob, job_id), following(bob, job_id):
        answer = bob.look(job_id, wait=1)
        assert (answer.status_code, answer.json()["type"]) == (429, "urn:cellblock:problem:too-many-open")
        assert int(answer.headers["Retry-After"]) >= 1
        assert bob.look(job_id).status_code == 200
    wait_until(lambda: bob.look(job_id, wait=20).status_code == 200, 20, "what was open is closed")


def test_two_hundred_clients_at_once_get_their_results(tmp_path: Path, broker_url: str) -> None:
    """The jobs need no cells: the clients are what the test is about."""
    with (
        running_worker(tmp_path, broker_url, "--concurrency=2", ENABLE_DOCKER="false"),
        running_api(tmp_path, broker_url, TOKENS) as api,
    ):
        caller, answers = api.caller(ALICE), list[dict[str, Any]]()

        def ask(number: int) -> None:
            answers.append(api.caller(ALICE).submit(f"echo {number}", 60).json())

        clients = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
        for client in clients:
            client.start()
        threads = psutil.Process(api.process.pid).num_threads()
        for client in clients:
            client.join()
        done = [caller.look(one["id"], 30).json() for one in answers]
        assert {int(one["result"]["stdout"]) for one in done} == set(range(200))
        assert threads < 64


def test_two_hundred_followers_need_no_thread_each_and_leave_nothing(api: Api, alice: Caller) -> None:
    job_id = alice.started(unique_sleep(60))
    process = psutil.Process(api.process.pid)
    before = process.num_fds()
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(following(alice, job_id))
        assert process.num_threads() < 64
    wait_until(lambda: process.num_fds() <= before + AT_ONCE, 20, "nothing is open")
    alice.cancel(job_id)
    alice.look(job_id, wait=30)


@pytest.fixture
def hurried(tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """An API that gives its clients less time than usual."""
    place = tmp_path / "hurry"
    place.mkdir()
    (place / "sitecustomize.py").write_text(
        "import api.body, api.connection, api.event_stream\n"
        "api.connection._HEAD_S = api.connection._READ_S = api.body._BODY_S = 1.0\n"
        "api.event_stream._QUIET_S = 0.2\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{place}:{ROOT}")
    with running_api(tmp_path, worker.broker_url) as running:
        yield running


def test_a_client_that_sends_no_request_is_cut_off(hurried: Api) -> None:
    where = urlsplit(hurried.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert connection.recv(1) == b""


def test_a_body_that_comes_too_slowly_is_refused(hurried: Api) -> None:
    said = talk(hurried.caller(None), "POST /v1/jobs HTTP/1.1", b"Content-Length: 100\r\n\r\n{")
    assert said.startswith("HTTP/1.1 408 ")


def test_a_stream_without_events_is_kept_open_by_comments(hurried: Api) -> None:
    caller = hurried.caller(None)
    job_id = caller.started(unique_sleep(60))
    with following(caller, job_id) as connection:
        assert b": nothing new" in connection.recv(4096)
    caller.cancel(job_id)
    caller.look(job_id, wait=30)


def test_a_client_that_trickles_its_next_request_is_cut_off(hurried: Api) -> None:
    where = urlsplit(hurried.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: _is_cut_off(connection, b"x"), 10, "it is cut off")


def test_a_client_that_trickles_a_body_that_nobody_reads_is_cut_off(hurried: Api) -> None:
    where = urlsplit(hurried.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: _is_cut_off(connection, b"x"), 10, "it is cut off")


def _is_cut_off(connection: socket.socket, more: bytes) -> bool:
    try:
        connection.sendall(more)
    except OSError:
        return True
    return False


def test_a_client_that_does_not_read_its_events_is_cut_off(hurried: Api) -> None:
    caller = hurried.caller(None)
    flow = "while true; do head -c 500000 /dev/zero | tr '\\0' x; sleep 0.02; done"
    job_id = caller.submit(flow, output_limit="16m", timeout=60).json()["id"]
    process = psutil.Process(hurried.process.pid)
    with following(caller, job_id):
        wait_until(lambda: "does not read its answer" in hurried.log(), 30, "it is given up")
        wait_until(lambda: len(process.net_connections("tcp")) < 8, 10, "its connections are closed")
    caller.cancel(job_id)
    caller.look(job_id, wait=60)
