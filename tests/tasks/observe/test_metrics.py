"""Each metric of a worker changes when the event that it counts happens."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from sandbox import InvalidJob, meter
from tasks.observe.metric_catalogue import METRICS, SAMPLED
from tests.conftest import remove_cells
from tests.engine_door import Door, engine_door
from tests.programs import (
    ROOT,
    Worker,
    children,
    free_port,
    running_redis,
    running_worker,
    runs,
    unique_sleep,
)
from tests.tasks.conftest import ANSWER_S, TASK
from tests.tasks.hostile_messages import call, envelope
from tests.tasks.scrape import Metrics
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker
    from celery import Celery
    from celery.result import AsyncResult


@dataclass(frozen=True)
class Watched:
    """A worker that serves its metrics, an app that sends to it, and the door to its engine."""

    worker: Worker
    metrics: Metrics
    app: Celery
    door: Door
    owner: str

    def send(self, *args: object, **kwargs: object) -> AsyncResult[Any]:
        return self.app.send_task(TASK, args, kwargs)

    def ask(self, *args: object, **kwargs: object) -> dict[str, Any]:
        result: dict[str, Any] = self.send(*args, **kwargs).get(timeout=ANSWER_S)
        return result


SETTINGS = {
    "CELLBLOCK_WARM": "0,bash=1",
    "CELLBLOCK_ENGINE_MARGIN": "4",
    # A variable of Celery: for how many seconds an idle process is kept.
    "AUTOSCALE_KEEPALIVE": "1",
}


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory,
    redis_url: str,
    engine: docker.APIClient,
    client_of: Callable[[str], Celery],
) -> Iterator[Watched]:
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    own = {"CELLBLOCK_OWNER": f"test-{secrets.token_hex(4)}", "CELLBLOCK_METRICS_PORT": str(port)}
    url, left = f"{redis_url}/60", {"label": f"cellblock.owner={own['CELLBLOCK_OWNER']}"}
    with engine_door(folder / "engine") as door:
        own["CELLBLOCK_DOCKER_HOST"] = door.url
        with running_worker(folder, url, "--autoscale=2,1", **SETTINGS | own) as worker:
            real = Watched(worker, Metrics(port), client_of(url), door, own["CELLBLOCK_OWNER"])
            real.metrics.becomes(1, "cellblock_warm_cells", runtime="bash")
            yield real
        wait_until(lambda: not engine.containers(all=True, filters=left), 20, "the worker's cells are gone")


@pytest.mark.parametrize(
    ("cmd", "limits", "status"),
    [
        ("true", {}, "succeeded"),
        ("exit 3", {}, "failed"),
        ("kill -SEGV $$", {}, "signaled"),
        ("sleep 30", {"timeout": 0.3, "grace": 0.2}, "timed_out"),
        ("exec tail /dev/zero", {"memory": "32m"}, "out_of_memory"),
        ("yes", {"output_limit": 1000}, "output_limit"),
    ],
)
def test_each_end_of_a_job_is_counted_with_its_laps_by_runtime_and_status(
    watched: Watched, cmd: str, limits: dict[str, object], status: str
) -> None:
    ending = {"runtime": "bash", "status": status}
    before = watched.metrics.value("cellblock_jobs_total", **ending)
    run_before = watched.metrics.value("cellblock_job_run_seconds_sum", **ending)
    result = watched.ask(cmd, "bash", **limits)

    watched.metrics.rises("cellblock_jobs_total", before, **ending)
    run_s = watched.metrics.value("cellblock_job_run_seconds_sum", **ending) - run_before
    assert run_s == pytest.approx(result["timings"]["run"])
    laps = {
        watched.metrics.value(f"cellblock_job_{lap}_seconds_count", **ending)
        for lap in ("queued", "acquire", "run", "collect")
    }
    assert laps == {before + 1}


def test_the_cpu_time_of_jobs_adds_up(watched: Watched) -> None:
    before = watched.metrics.value("cellblock_job_cpu_seconds_total", runtime="bash")
    watched.ask("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", "bash")
    assert watched.metrics.rises("cellblock_job_cpu_seconds_total", before, runtime="bash") > before + 0.01


def test_a_stream_that_is_cut_is_counted(watched: Watched) -> None:
    cut = {"runtime": "bash", "stream": "stderr"}
    before = watched.metrics.value("cellblock_output_truncations_total", **cut)
    assert watched.ask("head -c 5000 /dev/zero >&2", "bash", output_limit=1000)["stderr_truncated"]
    watched.metrics.rises("cellblock_output_truncations_total", before, **cut)


def test_a_refused_job_is_a_failure_by_its_name(watched: Watched) -> None:
    before = watched.metrics.value("cellblock_failures_total", error="InvalidJob")
    with pytest.raises(InvalidJob):
        watched.ask("true", "cobol")
    watched.metrics.rises("cellblock_failures_total", before, error="InvalidJob")


def test_a_job_with_check_is_counted_like_any_other_and_is_a_failure_besides(watched: Watched) -> None:
    before = watched.metrics.value("cellblock_jobs_total", status="failed")
    watched.send("exit 3", "bash", check=True).get(timeout=ANSWER_S, propagate=False)
    watched.metrics.rises("cellblock_jobs_total", before, status="failed")
    watched.metrics.rises("cellblock_failures_total", error="CommandFailed")


def test_a_claim_hits_while_a_cell_waits_and_misses_when_none_does(watched: Watched) -> None:
    watched.metrics.becomes(1, "cellblock_warm_cells", runtime="bash")
    value = watched.metrics.value
    claims = {outcome: value("cellblock_warm_claims_total", outcome=outcome) for outcome in ("hit", "miss")}
    made = {state: value("cellblock_cells_made_total", state=state) for state in ("warm", "job")}
    # The jobs come faster than warm cells are made, so that some of them find none.
    handles = [watched.send("true", "bash") for _ in range(4)]

    assert {handle.get(timeout=ANSWER_S)["status"] for handle in handles} == {"succeeded"}
    for outcome, before in claims.items():
        watched.metrics.rises("cellblock_warm_claims_total", before, outcome=outcome)
    for state, before in made.items():
        watched.metrics.rises("cellblock_cells_made_total", before, state=state)
    watched.metrics.becomes(1, "cellblock_warm_cells", runtime="bash")
    assert watched.metrics.value("cellblock_warm_cells_wanted", runtime="bash") == 1


def test_a_backlog_shows_in_the_queue_and_grows_the_pool_whose_figures_stay_when_it_shrinks(
    watched: Watched,
) -> None:
    watched.metrics.becomes(1, "cellblock_processes")
    jobs, attempts = (watched.metrics.value(f"cellblock_{what}_total") for what in ("jobs", "attempts"))
    handles = [watched.send("sleep 2", "bash") for _ in range(5)]

    watched.metrics.rises("cellblock_queue_length", queue="cellblock")
    watched.metrics.rises("cellblock_tenant_queue_length", queue="cellblock", tenant="(none)")
    watched.metrics.becomes(2, "cellblock_processes")
    watched.metrics.becomes(2, "cellblock_jobs_in_flight")
    assert watched.metrics.value("cellblock_unacked") >= 2
    for handle in handles:
        handle.get(timeout=ANSWER_S)
    watched.metrics.becomes(1, "cellblock_processes")
    assert watched.metrics.value("cellblock_jobs_total") == jobs + 5
    assert watched.metrics.value("cellblock_attempts_total") >= attempts + 5
    for idle in ("cellblock_queue_length", "cellblock_jobs_in_flight", "cellblock_unacked"):
        watched.metrics.becomes(0, idle)


def test_an_engine_that_goes_away_shows_in_the_errors_of_each_who_needs_it_and_what_it_left_is_reaped(
    watched: Watched,
) -> None:
    watched.metrics.becomes(1, "cellblock_warm_cells", runtime="bash")
    reaps = watched.metrics.value("cellblock_reaps_total")
    handles = [watched.send("sleep 2", "bash") for _ in range(2)]
    watched.metrics.becomes(2, "cellblock_jobs_in_flight")
    watched.door.shut()

    try:
        watched.metrics.becomes(0, "cellblock_engine_up")
        # Not "keeper": it sees an error only if it has to make a cell at that moment.
        for where in ("job", "reaper"):
            watched.metrics.rises("cellblock_engine_errors_total", where=where)
        # The pool shrinks, and the process that ends can't remove its cell.
        watched.metrics.rises("cellblock_leaks_total", where="remover")
        watched.metrics.rises("cellblock_engine_errors_total", where="remover")
    finally:
        watched.door.open()
    assert [handle.get(timeout=ANSWER_S)["attempt"] for handle in handles] == [1, 1]
    watched.metrics.becomes(1, "cellblock_engine_up")
    watched.metrics.rises("cellblock_reaps_total", reaps)


def test_a_job_that_loses_its_cell_shows_in_retries(watched: Watched, engine: docker.APIClient) -> None:
    before = watched.metrics.value("cellblock_retries_total", error="CellLost")
    sleep = unique_sleep(3)
    # With a limit of its own it gets no warm cell, and its cell has a label that names it.
    handle = watched.send(sleep, "bash", pids=50)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    (cell,) = engine.containers(filters={"label": f"cellblock.task={handle.id}"})
    engine.kill(cell["Id"])
    watched.metrics.rises("cellblock_retries_total", before, error="CellLost")
    assert handle.get(timeout=ANSWER_S)["attempt"] == 2


def test_the_pools_processes_do_not_hold_the_port(watched: Watched) -> None:
    children = psutil.Process(watched.worker.process.pid).children(recursive=True)
    assert children
    assert [child for child in children if _listens(child)] == []


def test_a_worker_listens_nowhere_by_default(worker: Worker) -> None:
    assert not _listens(psutil.Process(worker.process.pid))


def _listens(process: psutil.Process) -> bool:
    return any(connection.status == psutil.CONN_LISTEN for connection in process.net_connections("inet"))


def test_a_port_that_is_taken_stops_the_worker_at_start(redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = _start(f"{redis_url}/61", CELLBLOCK_METRICS_PORT=port)
    assert outcome.returncode == 1
    assert f"metrics cannot be served on 127.0.0.1:{port}: Address already in use" in outcome.stderr


def _start(broker_url: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url, "ENABLE_DOCKER": "false"} | settings
    command = [sys.executable, "-m", "cli", "worker"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_broker_or_a_keeper_that_is_gone_shows(tmp_path: Path, engine: docker.APIClient) -> None:
    port = free_port()
    metrics, settings = Metrics(port), SETTINGS | {"CELLBLOCK_METRICS_PORT": str(port)}
    with (
        running_redis(tmp_path) as url,
        running_worker(tmp_path, f"{url}/0", "--concurrency=1", **settings) as worker,
    ):
        metrics.becomes(1, "cellblock_warm_cells", runtime="bash")
        assert metrics.value("cellblock_broker_up") == metrics.value("cellblock_keeper_up") == 1
        (server,) = children(os.getpid(), f":{urlsplit(url).port}")
        server.suspend()
        metrics.becomes(0, "cellblock_broker_up")
        server.resume()
        metrics.becomes(1, "cellblock_broker_up")
        (keeper,) = worker.keepers
        keeper.kill()
        metrics.becomes(0, "cellblock_keeper_up")
        assert metrics.value("cellblock_warm_cells", runtime="bash") == 0
        metrics.becomes(1, "cellblock_keeper_up")
        metrics.becomes(1, "cellblock_warm_cells", runtime="bash")
    remove_cells(engine)


def test_what_finds_no_room_is_lost_without_a_wait_and_told_with_the_next() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        meter.report_to(far)
        try:
            for _ in range(5000):
                meter.measure("cellblock_reaps_total")
            for _ in range(5):
                near.recv(1 << 16)
            meter.measure("cellblock_reaps_total")
        finally:
            meter.report_to(None)
        far.send(b"")
        last = b""
        while batch := near.recv(1 << 16):
            last = batch
    assert b"cellblock_measurements_lost_total" in last


def test_messages_that_are_no_jobs_are_counted(watched: Watched) -> None:
    with redis.Redis.from_url(watched.worker.broker_url) as database:
        database.lpush("cellblock", b"[]", envelope(call(), headers={"task": "shop.send"}))
        watched.metrics.becomes(1, "cellblock_dead_messages_total", queue="cellblock")
        watched.metrics.becomes(1, "cellblock_foreign_messages_total", queue="cellblock")
        database.delete("cellblock.foreign:cellblock")


def test_every_metric_is_moved_by_a_test_of_this_module() -> None:
    tested = (ROOT / "tests/tasks/observe/test_metrics.py").read_text()
    laps = {f"cellblock_job_{lap}_seconds" for lap in ("queued", "acquire", "run", "collect")}
    names = {metric.name for metric in (*METRICS, *SAMPLED)}
    assert [name for name in names - laps if name not in tested] == []
