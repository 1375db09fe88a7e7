"""Jobs over HTTP: sent, waited for, looked at, cancelled."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import running, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.api.running import Caller


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def test_a_job_that_ends_within_the_wait_is_answered_with_its_result(alice: Caller) -> None:
    answer = alice.submit("echo hi; exit 3", 60)
    about = answer.json()
    assert (answer.status_code, about["state"], about["error"]) == (200, "done", None)
    assert (about["result"]["status"], about["result"]["stdout"]) == ("failed", "hi\n")


def test_a_job_that_does_not_end_in_time_is_answered_by_its_place(alice: Caller) -> None:
    answer = alice.submit("sleep 0.5", 0.05)
    assert (answer.status_code, answer.json()["state"]) in {(202, "queued"), (202, "running")}
    done = alice.call("GET", f"{answer.headers['Location']}?wait=60")
    assert (done.status_code, done.json()["result"]["status"]) == (200, "succeeded")


def test_the_result_is_the_one_that_the_worker_stored(alice: Caller, byname: Any) -> None:
    about = alice.submit("echo hi", 60).json()
    assert about["result"] == byname.AsyncResult(about["id"]).get(timeout=10)


def test_files_run_with_no_command(alice: Caller) -> None:
    files = {"main.py": "print(input())"}
    answer = alice.call("POST", "/v1/jobs?wait=60", json={"files": files, "stdin": "42"})
    assert answer.json()["result"]["stdout"] == "42\n"


def test_a_result_of_megabytes_arrives_whole(alice: Caller) -> None:
    result = alice.result("head -c 3000000 /dev/zero | tr '\\0' x", output_limit="4m")
    assert result["stdout"] == "x" * 3_000_000


def test_a_large_body_arrives_whole(alice: Caller) -> None:
    assert alice.result("wc -c", stdin="x" * 3_000_000)["stdout"].strip() == "3000000"


def test_a_waiter_gets_a_result_that_was_there_before(alice: Caller) -> None:
    job_id = alice.submit("true", 60).json()["id"]
    assert alice.look(job_id, wait=60).json()["state"] == "done"


def test_a_job_says_that_it_runs(alice: Caller) -> None:
    job_id = alice.started(unique_sleep(60))
    alice.cancel(job_id)
    assert alice.look(job_id, wait=30).json()["result"]["status"] == "cancelled"


def test_a_cancelled_job_is_gone_and_keeps_its_output(alice: Caller) -> None:
    command = unique_sleep(60)
    job_id = alice.started(f"echo one; exec {command}")
    wait_until(lambda: running(command), 20, "the job runs")
    assert alice.cancel(job_id).status_code == 202
    result = alice.look(job_id, wait=30).json()["result"]
    assert (result["status"], result["stdout"]) == ("cancelled", "one\n")
    assert not running(command)


def test_a_job_that_is_over_keeps_its_result_when_it_is_cancelled(alice: Caller) -> None:
    job_id = alice.submit("true", 60).json()["id"]
    answer = alice.cancel(job_id)
    assert (answer.status_code, answer.json()["result"]["status"]) == (202, "succeeded")


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ({"cmd": "true", "runtime": "cobol"}, "There is no runtime 'cobol'"),
        ({"cmd": "true", "timeout": 10_000}, "above the maximum of 600 s"),
        ({"cmd": "a\0b"}, "contains a NUL"),
        ({"cmd": "true", "tiemout": 1}, "There is no argument 'tiemout'"),
        ({"cmd": "true", "settings": {}, "self": 1}, "There is no argument"),
        ({"cmd": "true", "files": {"../up": ""}}, "outside /workspace"),
        ({}, "give a command, or files to run"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_job_that_is_refused_is_answered_with_the_sentence(
    alice: Caller, job: dict[str, Any], sentence: str
) -> None:
    answer = alice.call("POST", "/v1/jobs", json=job)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:cellblock:problem:invalid-job")
    assert sentence in problem["detail"]


def test_a_failed_check_has_both_a_result_and_an_error(alice: Caller) -> None:
    about = alice.submit("echo hi; exit 3", 60, check=True).json()
    assert (about["result"]["stdout"], about["error"]["name"]) == ("hi\n", "CommandFailed")


def test_the_same_key_makes_one_job(alice: Caller) -> None:
    headers = key()
    first = alice.submit("date +%N", 60, headers=headers).json()
    assert alice.submit("date +%N", 60, headers=headers).json() == first


def test_the_same_key_with_another_body_is_refused(alice: Caller) -> None:
    headers = key()
    alice.submit("true", headers=headers)
    answer = alice.submit("false", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cellblock:problem:other-body")


def test_the_same_key_of_another_tenant_makes_another_job(alice: Caller, bob: Caller) -> None:
    headers = key()
    ids = {caller.submit("true", 60, headers=headers).json()["id"] for caller in (alice, bob)}
    assert len(ids) == 2


def test_a_key_whose_job_was_refused_may_be_used_again(alice: Caller) -> None:
    headers = key()
    assert alice.submit("true", timeout=-1, headers=headers).status_code == 422
    assert alice.submit("true", 60, headers=headers).status_code == 200


@pytest.mark.parametrize("wait", ["61", "-1", "nan", "inf", "soon", "1e400"])
def test_a_wait_that_is_no_time_is_refused(alice: Caller, wait: str) -> None:
    answer = alice.call("POST", f"/v1/jobs?wait={wait}", json={"cmd": "true"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cellblock:problem:bad-parameter")


def test_the_runtimes_are_listed_with_their_limits(alice: Caller) -> None:
    runtimes = {one["name"]: one for one in alice.call("GET", "/v1/runtimes").json()["runtimes"]}
    assert {"bash", "python", "node"} <= runtimes.keys()
    assert runtimes["python"]["limits"]["timeout"] == 30
