"""The metrics and the traces of the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tasks.observe.metric_catalogue import API
from tests.api.running import Api, running_api
from tests.api.test_events import following
from tests.programs import free_port, unique_sleep
from tests.tasks.scrape import Metrics
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    for number in range(3):
        api.caller(None).look(str(number))
    metrics.becomes(3, "cellblock_api_requests_total", method="GET", route="/v1/jobs/{id}", status="404")
    assert metrics.value("cellblock_api_answer_seconds_count", method="GET", route="/v1/jobs/{id}") == 3


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


def test_the_catalogue_names_all_that_is_served(api: Api, metrics: Metrics) -> None:
    api.caller(None).call("GET", "/healthz")
    served = {name for name, _, _ in metrics._samples()}
    assert {metric.name for metric in API} <= {name.removesuffix("_bucket") for name in served}


def test_the_spans_of_a_request_and_of_its_sending_belong_to_the_callers_trace(api: Api) -> None:
    api.caller(None).submit("true", 30, headers={"traceparent": PARENT})
    spans = wait_until(lambda: [one for one in _spans(api) if one["kind"].endswith("PRODUCER")], 10, "spans")
    assert {one["context"]["trace_id"] for one in spans[-1:]} == {f"0x{PARENT[3:35]}"}
    (request,) = [one for one in _spans(api) if one["name"] == "POST /v1/jobs" and one["parent_id"]]
    assert request["context"]["trace_id"] == f"0x{PARENT[3:35]}"


def _spans(api: Api) -> list[dict[str, Any]]:
    return [json.loads(line) for line in api.log().splitlines() if line.startswith("{")]
