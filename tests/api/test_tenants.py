"""Who may call: tokens, tenants, and the limits of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.conftest import ALICE
from tests.api.running import Api, Caller, running_api
from tests.programs import run_cli
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.programs import Worker


NOBODYS = "0f6f4a1f-9d10-4d5e-9a55-3f2b8c1e8d0a"
ASKS: dict[str, Callable[[Caller, str], Any]] = {
    "a look": lambda caller, job_id: caller.look(job_id),
    "a wait": lambda caller, job_id: caller.look(job_id, wait=1),
    "a cancel": lambda caller, job_id: caller.cancel(job_id),
    "its events": lambda caller, job_id: caller.call("GET", f"/v1/jobs/{job_id}/events"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_another_tenants_job_is_answered_as_one_that_does_not_exist(
    alice: Caller, bob: Caller, ask: Callable[[Caller, str], Any]
) -> None:
    job_id = alice.submit("true", 60).json()["id"]
    theirs, nobodys = ask(bob, job_id), ask(bob, NOBODYS)
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    assert theirs.headers.keys() == nobodys.headers.keys()
    assert alice.look(job_id).json()["result"]["status"] == "succeeded"


def test_a_job_that_an_app_sent_is_nobodys_here(alice: Caller, byname: Any) -> None:
    job = byname.send_task("cellblock.run_sandboxed", ["true", "bash"])
    job.get(timeout=60)
    assert alice.look(job.id).status_code == 404


@pytest.mark.parametrize(
    "job_id", ["x", "..%2f..%2fhealthz", "%00", "0" * 5000, "ÄÖÜ", NOBODYS.upper(), "*", "a:b"]
)
def test_an_id_of_another_form_is_answered_as_one_that_does_not_exist(alice: Caller, job_id: str) -> None:
    answer = alice.look(job_id)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:cellblock:problem:not-found")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", f"Basic {ALICE}", f"Bearer {ALICE}x", "Bearer é"]
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/runtimes", f"/v1/jobs/{NOBODYS}/events"])
def test_without_a_known_token_nothing_is_answered(stranger: Caller, header: str | None, path: str) -> None:
    headers = {} if header is None else {"Authorization": header.encode().decode("latin-1")}
    answer = stranger.call("POST" if path == "/v1/jobs" else "GET", path, headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("limit", "asked"), [("timeout", 3), ("memory", "65m"), ("memory", 65 << 20)])
def test_a_job_that_asks_for_more_than_its_token_allows_is_refused(
    bob: Caller, limit: str, asked: Any
) -> None:
    answer = bob.submit("true", **{limit: asked})
    assert answer.status_code == 422
    assert "that this token allows" in answer.json()["detail"]


def test_a_job_that_asks_for_nothing_gets_what_its_token_allows(bob: Caller) -> None:
    statuses = [bob.result(f"head -c {mib}M /dev/zero | tail -c {mib}M >a")["status"] for mib in (25, 64)]
    assert statuses == ["succeeded", "out_of_memory"]
    result = bob.result("sleep 60")
    assert (result["status"], 1.5 < result["duration"] < 10) == ("timed_out", True)


def test_a_job_may_ask_for_less_than_its_token_allows(bob: Caller) -> None:
    assert bob.result("sleep 60", timeout=0.2)["duration"] < 1.5


def test_a_changed_file_of_tokens_counts_within_a_second_and_a_broken_one_changes_nothing(
    tmp_path: Path, worker: Worker
) -> None:
    with running_api(tmp_path, worker.broker_url, "first-token-0123456789 alice\n") as api:
        assert api.tokens
        old, new = api.caller("first-token-0123456789"), api.caller("second-token-0123456789")
        api.tokens.write_text("not a line\n")
        wait_until(lambda: _status(old) == 200 and "former tokens" in api.log(), 5, "the fault is logged")
        api.tokens.write_text("second-token-0123456789 alice\n")
        wait_until(lambda: (_status(old), _status(new)) == (401, 200), 5, "the new token counts")
        api.tokens.unlink()
        wait_until(lambda: _status(new) == 200 and api.log().count("former tokens") == 2, 5, "it is away")
        assert "-token-0123456789" not in api.log()


def _status(caller: Caller) -> int:
    return caller.call("GET", "/v1/runtimes").status_code


def test_a_file_that_others_can_read_gets_a_warning(tmp_path: Path, worker: Worker) -> None:
    file = tmp_path / "tokens"
    file.write_text("a-token-0123456789 alice\n")
    file.chmod(0o644)
    with running_api(tmp_path, worker.broker_url, CELLBLOCK_API_TOKENS_FILE=str(file)) as api:
        assert f"Every user of this host can read the tokens in {file}" in api.log()


def test_without_tokens_nobody_but_this_machine_is_listened_to(worker: Worker) -> None:
    done = run_cli("api", "--host=0.0.0.0", "--port=0", CELLBLOCK_BROKER_URL=worker.broker_url)
    assert (done.returncode, "CELLBLOCK_API_TOKENS_FILE is not set" in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def open_api(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running_api(tmp_path_factory.mktemp("open"), worker.broker_url) as api:
        yield api


def test_without_tokens_anyone_on_this_machine_may_run_commands_and_the_log_says_so(open_api: Api) -> None:
    assert open_api.caller(None).result("echo hi")["stdout"] == "hi\n"
    assert "anyone on this machine may run commands" in open_api.log()


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:80", "", "[::2]", "127.0.0.1.evil.example"]
)
def test_without_tokens_no_page_reaches_the_api_under_a_name_of_its_own(open_api: Api, host: str) -> None:
    answer = open_api.caller(None).call("POST", "/v1/jobs", json={"cmd": "true"}, headers={"Host": host})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:cellblock:problem:bad-host")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_a_body_that_a_page_can_send_without_asking_is_refused(open_api: Api, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = open_api.caller(None).call("POST", "/v1/jobs", data=b'{"cmd": "true"}', headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, "urn:cellblock:problem:media-type")
