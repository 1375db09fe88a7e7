"""Blobs over HTTP: contents that jobs take and leave."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from tests.api.running import Api, Caller, running_api
from tests.api.test_bounds import resident, talk
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker

NOTHING = f"sha256:{'0' * 64}"


def ref_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def put(caller: Caller, content: bytes) -> str:
    answer = caller.call("POST", "/v1/blobs", data=content)
    assert answer.status_code == 201, answer.text
    ref: str = answer.json()["ref"]
    return ref


@pytest.mark.parametrize("size", [0, 1, 1_000_000, 5_000_000])
def test_a_content_comes_back_as_it_was_stored_under_its_digest(alice: Caller, size: int) -> None:
    content = os.urandom(size)
    answer = alice.call("POST", "/v1/blobs", data=content)
    assert answer.json() == {"ref": ref_of(content), "size": size}
    assert alice.call("GET", answer.headers["Location"]).content == content


def test_a_job_takes_a_file_by_ref_and_leaves_its_artifacts_as_refs(alice: Caller) -> None:
    ref = put(alice, b"from a blob")
    job = {"files": {"in": {"ref": ref}}, "artifacts": ["out"], "artifacts_as": "ref"}
    (artifact,) = alice.result("tr a-z A-Z < in > out", **job)["artifacts"].values()
    assert alice.call("GET", f"/v1/blobs/{artifact['ref']}").content == b"FROM A BLOB"


def test_a_workspace_goes_from_job_to_job(alice: Caller) -> None:
    workspace = alice.result("echo kept > a", keep_workspace=True)["workspace"]
    assert alice.result("cat a", workspace=workspace)["stdout"] == "kept\n"


def test_another_tenants_blob_is_answered_as_one_that_does_not_exist(alice: Caller, bob: Caller) -> None:
    ref = put(alice, b"alices")
    for method in ("GET", "DELETE"):
        theirs, nobodys = (bob.call(method, f"/v1/blobs/{one}") for one in (ref, NOTHING))
        assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    error = bob.submit("cat in", 60, files={"in": {"ref": ref}}).json()["error"]
    assert (error["name"], "no blob" in error["message"]) == ("InvalidJob", True)
    assert alice.call("GET", f"/v1/blobs/{ref}").content == b"alices"


def test_a_removed_blob_is_gone(alice: Caller) -> None:
    ref = put(alice, b"short-lived")
    assert [alice.call("DELETE", f"/v1/blobs/{ref}").status_code for _ in range(2)] == [204, 404]
    assert alice.call("GET", f"/v1/blobs/{ref}").status_code == 404


@pytest.mark.parametrize(
    "ref", ["x", "sha256:", f"SHA256:{'0' * 64}", f"sha256:{'A' * 64}", "..%2f..", f"{NOTHING}%0a"]
)
def test_a_ref_of_another_form_is_answered_as_one_that_does_not_exist(alice: Caller, ref: str) -> None:
    for method in ("GET", "DELETE"):
        assert alice.call(method, f"/v1/blobs/{ref}").status_code == 404


def test_a_browser_neither_shows_nor_runs_a_content(alice: Caller) -> None:
    headers = alice.call("GET", f"/v1/blobs/{put(alice, b'<script>1</script>')}").headers
    assert (headers["Content-Type"], headers["Content-Disposition"]) == (
        "application/octet-stream",
        "attachment",
    )
    assert (headers["X-Content-Type-Options"], headers["Content-Security-Policy"]) == ("nosniff", "sandbox")


def test_a_content_of_a_gigabyte_is_refused_before_it_is_read(api: Api, alice: Caller) -> None:
    before = resident(api)
    said = talk(alice, "POST /v1/blobs HTTP/1.1", f"Content-Length: {1 << 30}\r\n\r\n".encode())
    assert said.startswith("HTTP/1.1 413 ")
    assert resident(api) - before < 32 << 20


@pytest.fixture
def small(tmp_path: Path, worker: Worker) -> Iterator[Api]:
    with running_api(tmp_path, worker.broker_url, CELLBLOCK_BLOBS_LIMIT="3m") as running:
        yield running


def test_a_full_store_says_when_to_come_again_and_keeps_no_part(small: Api, worker: Worker) -> None:
    answer = small.caller(None).call("POST", "/v1/blobs", data=os.urandom(8 << 20))
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:cellblock:problem:blobs-full")
    assert int(answer.headers["Retry-After"]) > 1
    with redis.Redis.from_url(worker.broker_url) as server:
        wait_until(lambda: not server.keys("cellblock.blob::.*"), 10, "nothing is left of it")


def test_a_sender_that_vanishes_leaves_no_part(api: Api, alice: Caller, worker: Worker) -> None:
    where = urlsplit(alice.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 10) as connection:
        head = f"POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {alice.token}\r\n"
        connection.sendall(f"{head}Content-Length: 9000000\r\n\r\n".encode() + b"x" * 4_000_000)
        with redis.Redis.from_url(worker.broker_url) as server:
            wait_until(lambda: server.keys("cellblock.blob:alice:.*"), 10, "a part is written")
    with redis.Redis.from_url(worker.broker_url) as server:
        wait_until(lambda: not server.keys("cellblock.blob:alice:.*"), 10, "the part is gone")
    assert "Traceback" not in api.log()


def test_a_content_that_is_damaged_in_the_store_is_never_given_out_whole(
    api: Api, alice: Caller, worker: Worker
) -> None:
    content = os.urandom(3_000_000)
    ref = put(alice, content)
    with redis.Redis.from_url(worker.broker_url) as server:
        key = f"cellblock.blob:alice:{ref.removeprefix('sha256:')}"
        size = len(server.hget(key, "1") or b"")
        server.hset(key, "1", bytes(size))
    with pytest.raises(OSError, match=r"IncompleteRead|Connection broken|ended prematurely"):
        alice.call("GET", f"/v1/blobs/{ref}")
    assert "could not be sent whole" in api.log()
    assert "Traceback" not in api.log()
    alice.call("DELETE", f"/v1/blobs/{ref}")


def test_many_contents_at_once_need_no_thread_each(api: Api, alice: Caller) -> None:
    refs: list[str] = []

    def store(number: int) -> None:
        refs.append(put(api.caller(alice.token), b"%d" % number * 100_000))

    senders = [threading.Thread(target=store, args=(number,)) for number in range(50)]
    for sender in senders:
        sender.start()
    assert psutil.Process(api.process.pid).num_threads() < 64
    for sender in senders:
        sender.join()
    assert len(set(refs)) == 50


def test_without_a_store_there_are_no_blobs(tmp_path: Path, worker: Worker) -> None:
    with running_api(tmp_path, worker.broker_url, CELLBLOCK_BLOBS="off") as api:
        caller = api.caller(None)
        answers = [caller.call("POST", "/v1/blobs", data=b"x"), caller.call("GET", f"/v1/blobs/{NOTHING}")]
        assert [(one.status_code, "CELLBLOCK_BLOBS=off" in one.json()["detail"]) for one in answers] == [
            (404, True)
        ] * 2
