"""A worker's log as JSON, its traces, and the secrets that neither may contain."""

from __future__ import annotations

import http.server
import json
import logging
import secrets
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.log_lines import log_formatter
from tasks import lifecycle
from tests.programs import running_worker
from tests.tasks.conftest import ANSWER_S, TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker
    from celery import Celery

    from tests.programs import Worker

TRACE, SPAN = secrets.token_hex(16), secrets.token_hex(8)
SECRET = secrets.token_hex(8)


@pytest.fixture(scope="module")
def talker(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, engine: docker.APIClient
) -> Iterator[Worker]:
    """A worker that writes its log as JSON, and its traces to the same file."""
    settings = {"CELLBLOCK_LOG_FORMAT": "json", "CELLBLOCK_TRACES": "console"}
    folder = tmp_path_factory.mktemp("talker")
    with running_worker(folder, f"{redis_url}/62", "--concurrency=1", **settings) as real:
        yield real


@pytest.fixture(scope="module")
def told(talker: Worker, client_of: Callable[[str], Celery]) -> dict[str, Any]:
    """The result of a job with secrets in it. Its app traces it, and its trace has been written."""
    app = client_of(talker.broker_url)
    given = {"stdin": SECRET, "env": {"S": SECRET}, "files": {SECRET: SECRET}}
    parent = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    app.send_task(TASK, [f"echo {SECRET}; exit 3"], {"check": True, **given}).get(
        timeout=ANSWER_S, propagate=False
    )
    handle = app.send_task(TASK, [f"echo {SECRET}; cat", "bash"], given, headers=parent)
    result: dict[str, Any] = handle.get(timeout=ANSWER_S)
    wait_until(lambda: TRACE in talker.log(), 10, "the job's trace is written")
    return result | {"task": handle.id}


def lines(worker: Worker) -> list[dict[str, Any]]:
    """Every line of the log. Each line is a JSON object."""
    return [json.loads(line) for line in worker.log().splitlines() if line]


def test_every_line_says_when_who_how_grave_and_what(talker: Worker, told: dict[str, Any]) -> None:
    logged = [line for line in lines(talker) if "event" in line]
    wanted = {"timestamp", "level", "logger", "event", "process", "worker"}
    assert logged
    assert [line for line in logged if not wanted <= line.keys()] == []


def test_the_line_of_a_job_is_bound_to_its_task_runtime_container_and_worker(
    talker: Worker, told: dict[str, Any]
) -> None:
    (line,) = [
        line
        for line in lines(talker)
        if line.get("event") == "The job has ended" and line["task"] == told["task"]
    ]
    bound = {key: told[key] for key in ("task", "runtime", "container", "worker", "status", "attempt")}
    assert {key: line[key] for key in bound} == bound
    assert line["seconds"] == told["timings"]["total"]


def test_lines_of_the_main_process_name_the_task_too(talker: Worker, told: dict[str, Any]) -> None:
    received = [line for line in lines(talker) if line.get("logger") == "celery.worker.strategy"]
    assert told["task"] in {line["task"] for line in received}


def test_a_line_between_jobs_is_bound_to_none(talker: Worker, told: dict[str, Any]) -> None:
    ready = next(line for line in lines(talker) if line.get("event", "").endswith(" ready."))
    assert not {"task", "runtime", "container"} & ready.keys()


def test_neither_logs_nor_traces_hold_a_payload_a_secret_or_an_output(
    talker: Worker, told: dict[str, Any]
) -> None:
    assert SECRET in told["stdout"]
    assert SECRET not in talker.log()


def test_a_job_goes_on_with_the_trace_of_its_app_and_has_a_span_for_each_lap(
    talker: Worker, told: dict[str, Any]
) -> None:
    spans = {line["name"]: line for line in lines(talker) if TRACE in str(line.get("context"))}
    task = spans.pop(f"run/{TASK}")
    assert task["parent_id"] == f"0x{SPAN}"
    assert {key: task["attributes"][f"cellblock.{key}"] for key in ("status", "container")} == {
        key: told[key] for key in ("status", "container")
    }
    assert {name: span["parent_id"] for name, span in spans.items()} == dict.fromkeys(
        ("acquire", "run", "collect"), task["context"]["span_id"]
    )


def test_traces_reach_a_collector_before_the_worker_ends(
    tmp_path: Path, broker_url: str, client_of: Callable[[str], Celery]
) -> None:
    with collector() as (address, received):
        settings = {"CELLBLOCK_TRACES": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
        with running_worker(tmp_path, broker_url, "--concurrency=1", ENABLE_DOCKER="false", **settings):
            client_of(broker_url).send_task(TASK, ["true"]).get(timeout=ANSWER_S)
    assert TASK.encode() in b"".join(received)


class collector:  # noqa: N801  used as a function
    """Replaces an OpenTelemetry collector, and keeps the bodies of the requests that it gets."""

    def __enter__(self) -> tuple[str, list[bytes]]:
        received: list[bytes] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object, **__: object) -> None:
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}", received

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_an_exception_in_the_log_shows_no_variables(log_format: str) -> None:
    payload = SECRET
    try:
        int(payload[:0])
    except ValueError:
        record = logging.LogRecord("cellblock", logging.ERROR, "", 0, "Caught", (), sys.exc_info())
    line = log_formatter(log_format, worker="w").format(record)
    assert "invalid literal for int()" in line
    assert SECRET not in line


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_what_is_not_meant_for_the_log_does_not_come_along(log_format: str) -> None:
    extra: dict[str, Any] = {"status": "failed", "stdout": SECRET, "data": {"args": SECRET}}
    line = log_formatter(log_format).format(logging.makeLogRecord(extra | {"msg": "Done"}))
    assert "failed" in line
    assert SECRET not in line


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_is_bounded_and_steers_no_terminal(log_format: str) -> None:
    try:
        dict[str, str]()["y" * 1_000_000]
    except KeyError:
        caught = sys.exc_info()
    record = logging.LogRecord("celery", logging.ERROR, "", 0, "\x1b[2J" + "x" * 1_000_000, (), caught)
    line = log_formatter(log_format).format(record)
    assert len(line) < 25_000
    assert "\x1b" not in line


@pytest.mark.parametrize(("url", "warns"), [("redis://localhost/0", False), ("amqp://localhost//", True)])
def test_a_worker_warns_of_bounds_that_its_broker_can_not_keep(
    url: str, warns: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", url)
    monkeypatch.setenv("CELLBLOCK_MAX_QUEUED", "5")
    monkeypatch.setenv("CELLBLOCK_RESULT_BACKEND", "redis://localhost/0")
    lifecycle.warn_of_broker()
    assert ("CELLBLOCK_MAX_QUEUED have no effect" in caplog.text) is warns
