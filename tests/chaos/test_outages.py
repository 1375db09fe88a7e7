"""Redis is away, full or read-only for longer than a job's limits: the jobs still succeed, only later."""

from __future__ import annotations

import shutil
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from celery import Celery

from tests.chaos.durable_redis import DurableRedis
from tests.chaos.outages import Outage, strike
from tests.chaos.workers import ChaosWorker
from tests.conftest import unavailable
from tests.programs import runs, unique_sleep
from tests.tasks.conftest import TASK
from tests.waiting import becomes, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

MARGIN_S = 3
#: With these the hard limit of a job is 12 seconds after its start, and a lease lasts 2 seconds.
BRISK = {
    "ENABLE_DOCKER": "false",
    "CELLBLOCK_ENGINE_MARGIN": str(MARGIN_S),
    "CELLBLOCK_SILENCE": "3",
    "DOCKER_TIMEOUT": "5000",
}
LASTS_S = 14.0


@pytest.fixture(autouse=True)
def _redis_here() -> None:
    if shutil.which("redis-server") is None:
        unavailable("There is no redis-server. Try: apt-get install redis-server")


@pytest.mark.parametrize("kind", ["both killed", "results killed", "both full", "results read-only"])
def test_an_outage_longer_than_every_limit_costs_no_job_anything_but_time(kind: str) -> None:
    outcome = strike(Outage(kind, LASTS_S, jobs=12, settings=tuple(BRISK.items())))
    assert outcome.is_good, outcome


def test_a_worker_that_has_room_when_redis_has_none_waits_and_lives() -> None:
    outcome = strike(Outage("both full", 8, jobs=3, settings=tuple(BRISK.items())))
    assert outcome.is_good, outcome
    assert "Unrecoverable" not in outcome.log


def test_an_outage_is_logged_once_by_each_process_that_meets_it() -> None:
    outcome = strike(Outage("results killed", 6, jobs=4, settings=tuple(BRISK.items())))
    assert outcome.log.count("Redis is away for now") <= 5
    assert "Traceback" not in outcome.log


@pytest.mark.parametrize("begun", [True, False], ids=["of jobs that ran", "of jobs that had not begun"])
def test_sigterm_ends_a_worker_in_its_bound_while_results_wait_and_loses_none(
    tmp_path: Path, begun: bool
) -> None:
    drain_s, sleep = 4, unique_sleep(2)
    with ExitStack() as stack:
        store = stack.enter_context(DurableRedis(tmp_path))
        settings = BRISK | {"CELLBLOCK_BROKER_URL": store.url, "CELLBLOCK_DRAIN": str(drain_s)}
        first = _hired(stack, "one", settings, tmp_path)
        with Celery(broker=store.url, backend="disabled://", set_as_current=False) as app:
            if not begun:
                _each(first.pool(), signal.SIGSTOP)
            send = app.signature(TASK, [f"{sleep}; echo done", "bash"], queue="cellblock").delay
            ids = [send().id for _ in range(4)]
            wait_until(
                lambda: runs(sleep) if begun else first.log().count("received") >= 2, 20, "they are taken"
            )
            # When it answers, the worker's loop has run once and has given each process its job.
            assert app.control.broadcast("ping", reply=True, timeout=5, limit=1)
        store.kill()
        wait_until(lambda: "The worker waits" in first.log(), 20, "the worker has met it")
        _each(first.pool(), signal.SIGCONT)
        wait_until(lambda: "away for now" in first.log(), 20, "results wait")
        asked = time.monotonic()
        first.send(signal.SIGTERM)
        wait_until(lambda: not first.is_alive, drain_s + 4 * MARGIN_S, "the worker has ended")
        assert time.monotonic() - asked < drain_s + 4 * MARGIN_S
        store.start()
        _hired(stack, "two", settings, tmp_path)
        becomes(lambda: len(_stored(store, ids)) == len(ids), 60)
        assert [('"succeeded"' in text) for text in _stored(store, ids)] == [True] * len(ids)


def test_the_next_of_a_chain_is_sent_once_the_broker_is_back(tmp_path: Path) -> None:
    sleep = unique_sleep(2)
    for name in ("broker", "results"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        broker = stack.enter_context(DurableRedis(tmp_path / "broker"))
        results = stack.enter_context(DurableRedis(tmp_path / "results"))
        settings = BRISK | {"CELLBLOCK_BROKER_URL": broker.url, "CELLBLOCK_RESULT_BACKEND": results.url}
        worker = _hired(stack, "one", settings, tmp_path)
        with Celery(broker=broker.url, backend="disabled://", set_as_current=False) as app:
            first, second = (
                app.signature(TASK, [cmd, "bash"], queue="cellblock", immutable=True)
                for cmd in (sleep, "echo")
            )
            ids = [(first | second).apply_async().id]
        wait_until(lambda: runs(sleep), 20, "the first runs")
        broker.kill()
        wait_until(lambda: "away for now" in worker.log(), 20, "the second can't be sent")
        started = time.monotonic()
        becomes(lambda: time.monotonic() - started > LASTS_S, LASTS_S + 1)
        broker.start()
        wait_until(lambda: _stored(results, ids), 60, "the second has run")
        assert '"succeeded"' in _stored(results, ids)[0]


def _each(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        process.send_signal(number)


def _hired(stack: ExitStack, name: str, settings: dict[str, str], folder: Path) -> ChaosWorker:
    worker = ChaosWorker(name, settings, folder / f"{name}.log")
    stack.callback(worker.kill)
    worker.start()
    wait_until(lambda: worker.is_ready, 40, "the worker is ready")
    return worker


def _stored(store: DurableRedis, ids: list[str]) -> list[str]:
    if not store.answers():
        return []
    with store.client() as client:
        texts = [client.get(f"celery-task-meta-{job_id}") for job_id in ids]
    return [str(text) for text in texts if text]
