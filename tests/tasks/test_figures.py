"""How a worker collects its metrics, serves them, and reads those of the broker. Each part alone."""

from __future__ import annotations

import os
import socket
import urllib.request
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
from celery import Celery

from sandbox import CellLost, CommandFailed, InvalidJob, meter
from tasks import lifecycle
from tasks.observe import queue_depth as of_broker
from tasks.observe import task_metrics
from tasks.observe.exporter import Exporter, ServedMetrics
from tasks.observe.metric_catalogue import METRICS, SAMPLED
from tasks.observe.queue_depth import QueueDepth
from tasks.observe.task_metrics import count_result
from tests.programs import free_port
from tests.tasks.scrape import Metrics
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.process import ProcessState

RESULT: dict[str, Any] = {
    "runtime": "bash",
    "status": "failed",
    "warm": True,
    "timings": {"queued": 1.0, "acquire": 2.0, "run": 3.0, "collect": 4.0, "total": 10.0},
    "cpu_seconds": 0.5,
    "stdout_truncated": False,
    "stderr_truncated": True,
}


@pytest.fixture
def samples() -> list[meter.Measurement]:
    """The measurements that are made at each scrape: none."""
    return []


@pytest.fixture
def exporter(samples: list[meter.Measurement]) -> Iterator[Exporter]:
    exporter = Exporter("127.0.0.1", 0, lambda: samples)
    meter.report_to(exporter.far)
    yield exporter
    meter.report_to(None)
    exporter.close()


def served(exporter: Exporter) -> Metrics:
    return Metrics(exporter.port)


def test_a_result_is_counted_by_what_it_says(exporter: Exporter) -> None:
    for _ in range(2):
        count_result(RESULT)
    metrics = served(exporter)
    ending = {"runtime": "bash", "status": "failed"}
    metrics.becomes(2, "cellblock_jobs_total", **ending, warm="true")
    for lap, seconds in (("queued", 2), ("acquire", 4), ("run", 6), ("collect", 8)):
        assert metrics.value(f"cellblock_job_{lap}_seconds_sum", **ending) == seconds
    metrics.becomes(1.0, "cellblock_job_cpu_seconds_total", runtime="bash")
    metrics.becomes(2, "cellblock_output_truncations_total", runtime="bash", stream="stderr")
    assert metrics.value("cellblock_output_truncations_total", stream="stdout") == 0


def test_a_result_with_no_processor_time_adds_none(exporter: Exporter) -> None:
    count_result(RESULT | {"cpu_seconds": None, "stderr_truncated": False})
    served(exporter).becomes(1, "cellblock_jobs_total")
    assert served(exporter).value("cellblock_job_cpu_seconds_total") == 0


def test_a_gauge_is_what_was_said_last_and_a_lap_has_its_bucket(exporter: Exporter) -> None:
    for number in (3, 1):
        meter.measure("cellblock_warm_cells", number, runtime="bash")
    meter.measure("cellblock_job_run_seconds", 0.0024, runtime="bash", status="failed")
    metrics = served(exporter)
    metrics.becomes(1, "cellblock_job_run_seconds_count")
    assert metrics.value("cellblock_warm_cells", runtime="bash") == 1
    buckets = {
        bound: metrics.value("cellblock_job_run_seconds_bucket", le=bound) for bound in ("0.001", "0.0025")
    }
    assert buckets == {"0.001": 0, "0.0025": 1}
    assert metrics.value("cellblock_job_run_seconds_bucket", le="600.0") == 1


def test_what_somebody_has_to_be_told_of_starts_at_nought(exporter: Exporter) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}/metrics") as page:
        text = page.read().decode()
    for metric in METRICS:
        for values in metric.known:
            labels = ",".join(f'{name}="{value}"' for name, value in zip(metric.labels, values, strict=True))
            assert f"{metric.name}{{{labels}}} 0.0" in text
    assert "_created" not in text
    assert {metric.name for metric in SAMPLED} <= set(text.split())


@pytest.mark.parametrize(("up", "left"), [(1.0, 5), (0.0, 0)])
def test_what_a_dead_keeper_has_said_of_its_cells_is_taken_back(
    exporter: Exporter, samples: list[meter.Measurement], up: float, left: float
) -> None:
    for name in ("cellblock_warm_cells", "cellblock_warm_cells_wanted"):
        meter.measure(name, 5, runtime="bash")
    metrics = served(exporter)
    metrics.becomes(5, "cellblock_warm_cells_wanted")
    samples.append(("cellblock_keeper_up", up, {}))
    values = [metrics.value(name) for name in ("cellblock_warm_cells", "cellblock_warm_cells_wanted")]
    assert (values, metrics.value("cellblock_keeper_up")) == ([left, left], up)


def test_samples_are_served_with_their_labels(exporter: Exporter, samples: list[meter.Measurement]) -> None:
    samples += [("cellblock_queue_length", 7, {"queue": "a"}), ("cellblock_queue_length", 8, {"queue": "b"})]
    assert served(exporter).value("cellblock_queue_length", queue="b") == 8


def test_a_child_lets_go_of_the_port_and_its_parent_serves_on(exporter: Exporter) -> None:
    exporter.leave()
    assert served(exporter).value("cellblock_jobs_total") == 0
    exporter._pid = os.getpid() + 1
    exporter.leave()
    assert exporter._server.socket.fileno() == -1
    assert exporter._near.fileno() == -1
    exporter._near, exporter.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_an_exporter_that_is_closed_gives_its_port_back() -> None:
    first = Exporter("127.0.0.1", 0, list)
    first.close()
    assert not first._thread.is_alive()
    assert not first._counter.is_alive()
    Exporter("127.0.0.1", first.port, list).close()
    assert (first.far.fileno(), first._near.fileno()) == (-1, -1)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, dict[str, str]]]:
    reports: list[tuple[str, float, dict[str, str]]] = []
    monkeypatch.setattr(meter, "report", reports.extend)
    monkeypatch.setattr(meter, "_collector", object())
    return reports


def test_what_becomes_of_a_task_is_counted_by_the_name_of_its_error(reports: list[Any]) -> None:
    task_metrics.count_attempt()
    task_metrics.count_retry(SimpleNamespace(exc=CellLost("gone")))
    task_metrics.count_failure(InvalidJob("no"))
    assert reports == [
        ("cellblock_attempts_total", 1.0, {}),
        ("cellblock_retries_total", 1, {"error": "CellLost"}),
        ("cellblock_engine_errors_total", 1, {"where": "job", "error": "CellLost"}),
        ("cellblock_failures_total", 1, {"error": "InvalidJob"}),
    ]


def test_a_failure_that_has_a_result_is_counted_as_one_too(reports: list[Any]) -> None:
    task_metrics.count_failure(CommandFailed("It failed.", RESULT))
    assert [name for name, *_ in reports][:2] == ["cellblock_failures_total", "cellblock_jobs_total"]
    reports.clear()
    task_metrics.count_success(RESULT)
    assert reports[0][0] == "cellblock_jobs_total"


@pytest.fixture
def app(broker_url: str) -> Iterator[Celery]:
    with Celery(broker=broker_url, set_as_current=False) as app:
        yield app


def test_a_queue_is_as_long_as_its_lists_of_all_priorities(app: Celery, broker_url: str) -> None:
    backlog = QueueDepth(app, ["a", "b"])
    with redis.Redis.from_url(broker_url) as database:
        database.lpush("a", "1", "2")
        database.lpush("a\x06\x163", "3")
        database.hset("unacked", "tag", "x")
        measured = list(backlog.measure())
        connection = backlog._connection
        assert next(backlog.measure()) == ("cellblock_broker_up", 1.0, {})
        assert backlog._connection is connection
        backlog.close()
        database.flushdb()
    assert measured == [
        ("cellblock_broker_up", 1.0, {}),
        ("cellblock_queue_length", 3, {"queue": "a"}),
        ("cellblock_queue_length", 0, {"queue": "b"}),
        ("cellblock_unacked", 1, {}),
    ]
    assert (backlog._connection, backlog._channel, connection.connected) == (None, None, False)


def test_a_broker_that_is_away_is_asked_anew_the_next_time() -> None:
    with Celery(broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False) as app:
        backlog = QueueDepth(app, ["a"])
        assert list(backlog.measure()) == [("cellblock_broker_up", 0.0, {})]
        assert (backlog._connection, backlog._channel) == (None, None)
        backlog.close()


def test_a_broker_has_two_seconds() -> None:
    two_s = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0, "retry_on_timeout": False}
    assert two_s == of_broker._IMPATIENT


def test_a_process_of_the_pool_leaves_the_port(process: ProcessState, exporter: Exporter) -> None:
    left: list[object] = []
    exporter.leave = lambda: left.append(exporter)  # type: ignore[method-assign]
    lifecycle.leave_metrics()
    process.metrics = ServedMetrics(exporter, cast("Any", None))
    lifecycle.leave_metrics()
    process.metrics = None
    assert left == [exporter]


def test_a_worker_that_ends_serves_nothing_more(process: ProcessState) -> None:
    exporter, closed = Exporter("127.0.0.1", 0, list), []
    queue_depth: Any = SimpleNamespace(close=lambda: closed.append(1))
    process.metrics = ServedMetrics(exporter, queue_depth)
    meter.report_to(exporter.far)
    lifecycle.close_metrics()
    lifecycle.close_metrics()
    wait_until(lambda: not exporter._counter.is_alive(), 5, "it has ended")
    assert (closed, vars(process)["metrics"], meter.descriptor()) == ([1], None, None)
