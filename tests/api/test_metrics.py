"""The metrics and the traces of the API."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tasks.observe.metric_catalogue import API
from tests.api.running import Api, running_api
from tests.api.test_events import following
from tests.programs import free_port, running_worker, unique_sleep
from tests.tasks.scrape import Metrics
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics(free_port())


@pytest.fixture(scope="module")
def api(worker: Worker, metrics: Metrics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    settings = {"CELLBLOCK_METRICS_PORT": str(metrics.port), "CELLBLOCK_TRACES": "console"}
    with running_api(tmp_path_factory.mktemp("api"), worker.broker_url, **settings) as running:
        yield running


def test_requests_are_counted_by_their_address_and_never_by_their_ids(api: Api, metrics: Metrics) -> None:
    about = {"method": "GET", "route": "/v1/jobs/{id}"}
    counted = metrics.value("cellblock_api_requests_total", **about, status="404")
    timed = metrics.value("cellblock_api_answer_seconds_count", **about)
    for number in range(3):
        api.caller(None).look(str(number))
    metrics.becomes(counted + 3, "cellblock_api_requests_total", **about, status="404")
    assert metrics.value("cellblock_api_answer_seconds_count", **about) == timed + 3


def test_an_address_that_is_none_and_a_method_that_is_none_make_no_labels(api: Api, metrics: Metrics) -> None:
    for number in range(3):
        api.caller(None).call(f"VERB{number}", f"/nothing/{number}")
    metrics.becomes(3, "cellblock_api_requests_total", method="other", route="other", status="404")


def test_what_is_open_is_shown(api: Api, metrics: Metrics) -> None:
    caller = api.caller(None)
    job_id = caller.started(unique_sleep(60))
    with following(caller, job_id):
        metrics.becomes(1, "cellblock_api_open")
    metrics.becomes(0, "cellblock_api_open")
    caller.cancel(job_id)
    caller.look(job_id, wait=30)


def test_a_waiter_that_vanishes_is_not_waited_for(api: Api, metrics: Metrics) -> None:
    caller = api.caller(None)
    job_id = caller.started(unique_sleep(60))
    where = urlsplit(api.url)
    with socket.create_connection((where.hostname or "", where.port or 0), 10) as connection:
        connection.sendall(f"GET /v1/jobs/{job_id}?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        metrics.becomes(1, "cellblock_api_open")
    metrics.becomes(0, "cellblock_api_open")
    caller.cancel(job_id)
    caller.look(job_id, wait=30)


def test_the_catalogue_names_all_that_is_served(api: Api, metrics: Metrics) -> None:
    api.caller(None).call("GET", "/healthz")
    served = {name for name, _, _ in metrics._samples()}
    assert {metric.name for metric in API} <= {name.removesuffix("_bucket") for name in served}


def test_the_spans_of_a_request_and_of_its_sending_belong_to_the_callers_trace(api: Api) -> None:
    api.caller(None).submit("true", 30, headers={"traceparent": PARENT})
    spans = wait_until(lambda: [one for one in _spans(api) if one["kind"].endswith("PRODUCER")], 10, "spans")
    assert {one["context"]["trace_id"] for one in spans[-1:]} == {f"0x{PARENT[3:35]}"}
    (request,) = wait_until(lambda: _requests(api), 10, "the span of the request")
    assert request["context"]["trace_id"] == f"0x{PARENT[3:35]}"


def test_a_trace_runs_from_the_request_to_the_cell(tmp_path: Path, broker_url: str) -> None:
    traced = {"CELLBLOCK_TRACES": "console", "CELLBLOCK_LOG_FORMAT": "json"}
    with (
        running_worker(tmp_path, broker_url, "--concurrency=1", **traced) as worker,
        running_api(tmp_path, broker_url) as api,
    ):
        api.caller(None).submit("true", 60, headers={"traceparent": PARENT})
        wait_until(lambda: _steps(worker.log()) >= {"acquire", "run", "collect"}, 10, "the trace")


def test_the_log_holds_no_token_no_payload_and_no_output(api: Api) -> None:
    caller, secret = api.caller("s3cr3t-t0k3n-in-a-header"), "s3cr3t"
    job: dict[str, Any] = {"env": {"A": secret}, "files": {secret: secret}, "stdin": secret}
    caller.submit(f"echo {secret}", 60, **job)
    caller.submit(f"echo {secret}", timeout=secret, **job)
    caller.call("POST", f"/v1/{secret}?wait={secret}", data=secret, headers={"Last-Event-ID": secret})
    assert secret not in api.log()


def _steps(log: str) -> set[str]:
    """The names of the trace's spans in the whole lines of a log."""
    lines = log.split("\n")[:-1]
    return {json.loads(line)["name"] for line in lines if PARENT[3:35] in line and '"name"' in line}


def _requests(api: Api) -> list[dict[str, Any]]:
    return [one for one in _spans(api) if one["name"] == "POST /v1/jobs" and one["parent_id"]]


def _spans(api: Api) -> list[dict[str, Any]]:
    return [json.loads(line) for line in api.log().splitlines() if line.startswith("{")]
