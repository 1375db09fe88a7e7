"""The web services of `examples`, which use the client in FastAPI's and in Django's processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.page import read_page
from tests.programs import ROOT, free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker

SERVERS = {
    "fastapi": "-m uvicorn --app-dir examples/fastapi app:app --port {port}",
    "django": "examples/django/app.py runserver --noreload 127.0.0.1:{port}",
}
_PATIENT_S = 60


@pytest.fixture(scope="module", params=SERVERS)
def site(
    request: pytest.FixtureRequest, worker: Worker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of each service, on the session's worker."""
    with serving(request.param, worker.broker_url, tmp_path_factory.mktemp("site")) as address:
        yield address


@contextmanager
def serving(name: str, broker_url: str, folder: Path) -> Iterator[str]:
    port = free_port()
    env = os.environ | {"PYTHONPATH": str(ROOT / "client" / "src"), "CELLBLOCK_BROKER_URL": broker_url}
    command = [sys.executable, *SERVERS[name].format(port=port).split()]
    with (folder / "site.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{address}/") or process.poll() is not None, 30, "the service answers")
        assert process.poll() is None, (folder / "site.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(20)


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()  # noqa: S310  our own
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def ask(address: str, body: object = None, method: str | None = None, **headers: str) -> tuple[int, str]:
    """The status and the text of an answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310  our own
    try:
        with urllib.request.urlopen(request, timeout=_PATIENT_S) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def submitted(site: str, cmd: str) -> str:
    """The address of a new job."""
    status, said = ask(f"{site}/jobs", {"cmd": cmd})
    assert status == 202, said
    return f"{site}/jobs/{json.loads(said)['id']}"


def events(said: str) -> list[dict[str, Any]]:
    return [dict(line.split(": ", 1) for line in event.splitlines()) for event in said.strip().split("\n\n")]


def test_output_is_streamed_as_events_and_then_there_is_a_result(site: str) -> None:
    job = submitted(site, "echo one; sleep 0.2; echo two >&2; exit 3")
    told = events(ask(f"{job}/events")[1])
    assert [(one["event"], json.loads(one["data"])) for one in told] == [
        ("start", "1"),
        ("stdout", "one\n"),
        ("stderr", "two\n"),
        ("end", "failed"),
    ]
    assert json.loads(ask(job)[1])["exit_code"] == 3


def test_a_browser_that_connects_again_gets_only_the_rest(site: str) -> None:
    job = submitted(site, "echo one; sleep 0.2; echo two")
    second = events(ask(f"{job}/events")[1])[1]["id"]
    again = events(ask(f"{job}/events", **{"Last-Event-ID": second})[1])
    assert [json.loads(one["data"]) for one in again] == ["two\n", "succeeded"]


def test_a_job_is_cancelled(site: str) -> None:
    job = submitted(site, "exec sleep 60")
    assert ask(job, method="DELETE")[0] == 204
    assert json.loads(ask(job)[1])["status"] == "cancelled"


def test_whoever_waits_too_short_for_a_result_is_told_to_ask_again(site: str) -> None:
    job = submitted(site, "sleep 1")
    status, said = ask(f"{job}?wait=0.1")
    assert (status, json.loads(said)["error"]) == (504, "TimeoutError")
    assert ask(job)[0] == 200


def test_a_bad_request_is_answered_by_the_name_of_its_error(site: str) -> None:
    status, said = ask(f"{site}/jobs", {"cmd": "a\0b"})
    assert (status, json.loads(said)["error"]) == (400, "InvalidJob")


def test_a_runtime_that_the_worker_does_not_know_is_too(site: str) -> None:
    status, said = ask(f"{site}/jobs", {"cmd": "true", "runtime": "cobol"})
    status, said = ask(f"{site}/jobs/{json.loads(said)['id']}")
    assert (status, json.loads(said)["error"]) == (400, "InvalidJob")


@pytest.mark.parametrize("name", SERVERS)
def test_the_page_shows_a_part_of_the_example(name: str) -> None:
    page = read_page("docs/how-to/call-from-an-app.md")
    (shown,) = [block.text for block in page.blocks if block.file == f"{name}.py"]
    assert shown.partition("\n")[2] in (ROOT / "examples" / name / "app.py").read_text()
