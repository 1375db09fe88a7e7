"""What a worker writes about each job, in its log and in its traces. Each part is tested alone."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tasks import lifecycle
from tasks.observe import log_context, logs, traces
from tasks.observe.log_context import end_log_context, job_facts, note_job
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.process import ProcessState

RESULT: dict[str, Any] = {
    "status": "failed",
    "exit_code": 3,
    "warm": True,
    "attempt": 2,
    "runtime": "bash",
    "container": None,
    "image": "bash:5",
    "stdout": "secret",
    "timings": {"queued": 1.0, "acquire": 0.5, "run": 2.0, "collect": 0.25, "total": 2.75},
}


def test_a_line_is_bound_to_its_job_alone_and_to_none_behind_it() -> None:
    note_job(runtime="of another")
    log_context.begin_log_context("one")
    note_job(runtime="bash")
    assert job_facts() == {"task": "one", "runtime": "bash"}
    log_context.begin_log_context("two")
    assert job_facts() == {"task": "two"}
    log_context.end_log_context()
    assert job_facts() == {}
    end_log_context()


def test_one_line_tells_of_a_job_what_can_be_no_output(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logs.log_result(RESULT)
    (record,) = caplog.records
    told = {name: vars(record)[name] for name in ("status", "exit_code", "warm", "attempt", "seconds")}
    assert told == {"status": "failed", "exit_code": 3, "warm": True, "attempt": 2, "seconds": 2.75}
    assert (record.getMessage(), "stdout" in vars(record)) == ("The job has ended", False)


@pytest.fixture
def handler() -> Iterator[logging.Handler]:
    handler = logging.StreamHandler()
    logging.getLogger("test.dressed").addHandler(handler)
    yield handler
    logging.getLogger("test.dressed").removeHandler(handler)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_celerys_handlers_write_our_lines(
    monkeypatch: pytest.MonkeyPatch, process: ProcessState, handler: logging.Handler, log_format: str
) -> None:
    monkeypatch.setenv("CELLBLOCK_LOG_FORMAT", log_format)
    this_settings.cache_clear()
    of_billiard = logging.StreamHandler()
    monkeypatch.setattr(logs, "get_multiprocessing_logger", lambda: SimpleNamespace(handlers=[of_billiard]))
    process.worker_name = "w@h"
    logs.format_lines(logging.getLogger("test.dressed"))
    for one in (handler, of_billiard):
        line = one.format(logging.makeLogRecord({"msg": "hi", "levelname": "INFO"}))
        assert line.startswith("{") is (log_format == "json")
        assert "w@h" in line


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_what_is_said_before_celerys_log_is_set_up_is_json_as_well(
    monkeypatch: pytest.MonkeyPatch, process: ProcessState, log_format: str
) -> None:
    monkeypatch.setenv("CELLBLOCK_LOG_FORMAT", log_format)
    this_settings.cache_clear()
    captured: list[bool] = []
    monkeypatch.setattr(logging, "captureWarnings", captured.append)
    root = logging.getLogger()
    before = list(root.handlers)
    lifecycle.note_name("w@h")
    added = [one for one in root.handlers if one not in before]
    root.handlers = before
    told = (process.worker_name, captured, len(added))
    assert told == ("w@h", [True] if added else [], int(log_format == "json"))
    assert all('"w@h"' in one.format(logging.makeLogRecord({"msg": "hi"})) for one in added)


@pytest.fixture
def spans(process: ProcessState) -> InMemorySpanExporter:
    """The spans that this process has ended."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    process.tracer_provider = provider
    return spans


def test_the_laps_of_a_job_stand_one_behind_the_other_up_to_now(spans: Any, process: ProcessState) -> None:
    tracer = trace.get_tracer("test", tracer_provider=process.tracer_provider)
    with tracer.start_as_current_span("run"):
        traces.add_laps(RESULT)
        now = time.time_ns()
    *laps, task = spans.get_finished_spans()
    assert [(lap.name, (lap.end_time - lap.start_time) / 1e9) for lap in laps] == [
        ("acquire", 0.5),
        ("run", 2.0),
        ("collect", 0.25),
    ]
    assert [lap.start_time for lap in laps[1:]] == [lap.end_time for lap in laps[:-1]]
    assert 0 <= now - laps[-1].end_time < 1e9
    assert {lap.parent.span_id for lap in laps} == {task.context.span_id}
    facts = {"runtime": "bash", "status": "failed", "image": "bash:5", "warm": True, "attempt": 2}
    assert task.attributes == {f"cellblock.{name}": value for name, value in facts.items()}


@pytest.mark.parametrize(
    ("wanted", "has_it", "starts"), [("otlp", False, False), ("otlp", True, True), ("off", False, True)]
)
def test_a_worker_that_is_to_trace_and_cannot_does_not_start(
    monkeypatch: pytest.MonkeyPatch, wanted: str, has_it: bool, starts: bool
) -> None:
    monkeypatch.setenv("CELLBLOCK_TRACES", wanted)
    this_settings.cache_clear()
    monkeypatch.setattr(traces, "find_spec", lambda _: "spec" if has_it else None)
    if starts:
        lifecycle.check_traces()
    else:
        with pytest.raises(SystemExit, match=r"pip install 'cellblock\[otel\]'"):
            lifecycle.check_traces()


@pytest.mark.parametrize(
    ("module", "wanted", "begun"),
    [
        ("celery.concurrency.thread", "console", ["w@h"]),
        ("celery.concurrency.prefork", "console", []),
        ("celery.concurrency.solo", "console", []),
        ("celery.concurrency.thread", "off", []),
    ],
)
def test_traces_begin_in_the_process_that_runs_jobs(
    monkeypatch: pytest.MonkeyPatch, process: ProcessState, module: str, wanted: str, begun: list[str]
) -> None:
    monkeypatch.setenv("CELLBLOCK_TRACES", wanted)
    this_settings.cache_clear()
    told: list[str] = []
    monkeypatch.setattr(traces, "send_traces", told.append)
    kind = type("Pool", (), {"__module__": module})
    lifecycle.begin_traces_without_children("w@h", SimpleNamespace(pool_cls=kind))
    assert told == begun
    process.tracer_provider = TracerProvider()
    lifecycle.begin_traces("w@h")
    assert told == begun


def test_what_was_not_sent_yet_is_sent_at_the_end_once(process: ProcessState) -> None:
    told: list[str] = []
    provider: Any = SimpleNamespace(shutdown=lambda: told.append("shutdown"))
    process.tracer_provider = provider
    lifecycle.end_traces()
    lifecycle.end_traces()
    assert told == ["shutdown"]
