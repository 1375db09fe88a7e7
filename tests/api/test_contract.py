"""The running API against its own OpenAPI document, by schemathesis; and the document itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from api.application import application
from api.callers import Callers
from api.job_request import job_request_schema
from api.metrics import Metrics
from config import load_catalogue, load_settings
from sandbox.request import ARGUMENTS
from tests.api.conftest import ALICE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.running import Api, Caller

#: Whether a job makes sense depends on more than its schema; and a job that is cancelled is still there.
NOT_OURS = "positive_data_acceptance,use_after_free"


@pytest.mark.timeout(400)
def test_no_answer_is_a_fault_or_undocumented(api: Api, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {ALICE}", "--checks=all", f"--exclude-checks={NOT_OURS}"]
    command += ["--max-examples=8", "--no-shrink", "--seed=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=360, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout


@pytest.fixture
def document() -> dict[str, Any]:
    app = application(Callers(None), asyncio.Event(), Metrics(), lambda app: app)
    return app.openapi()


def test_every_argument_of_a_job_is_described() -> None:
    schema = job_request_schema(load_settings(), load_catalogue())
    assert list(schema["properties"]) == ["cmd", "runtime", *ARGUMENTS]
    assert all(one["description"] for one in schema["properties"].values())


def test_the_maxima_in_the_document_are_the_operators() -> None:
    schema = job_request_schema(load_settings(max_timeout=7, docker_timeout_ms=1000), load_catalogue())
    assert schema["properties"]["timeout"]["anyOf"][0]["maximum"] == 7


def test_every_answer_is_described_with_an_example(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for operation in (one for methods in document["paths"].values() for one in methods.values()):
        assert operation["description"]
        for status, answer in operation["responses"].items():
            problems = answer.get("content", {}).get("application/problem+json")
            assert (problems is not None) == (int(status) >= 400), operation["operationId"]
            assert problems is None or problems["example"]["status"] == int(status)


def test_without_tokens_the_document_asks_for_none(document: dict[str, Any]) -> None:
    assert "securitySchemes" not in document["components"]
    assert not any("security" in one for methods in document["paths"].values() for one in methods.values())


def test_the_document_is_there_for_everybody(stranger: Caller) -> None:
    assert stranger.call("GET", "/openapi.json").json()["info"]["title"] == "cellblock"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/v1/jobs/x", "DELETE, GET"), ("DELETE", "/v1/jobs", "POST"), ("POST", "/healthz", "GET")],
)
def test_a_method_that_an_address_does_not_know_is_answered_with_those_that_it_does(
    alice: Caller, method: str, path: str, allowed: str
) -> None:
    answer = alice.call(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert answer.json()["type"] == "urn:cellblock:problem:method"


@pytest.mark.parametrize("path", ["/v1", "/docs", "/redoc", "/v1/jobs/", "//"])
def test_an_address_that_is_none_is_a_problem_too(alice: Caller, path: str) -> None:
    answer = alice.call("GET", path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
