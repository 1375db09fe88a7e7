"""What a worker does at its start and at its end, for each signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.concurrency import prefork, thread
from celery.worker import state as of_worker

from config import InvalidSetting, load_settings
from config.address_text import parse_address
from tasks import app, lifecycle, shutdown
from tasks.pool import prefork as our_pool
from tasks.pool.choice import check_pool, warn_of_threads
from tasks.redis_client import open_redis
from tasks.settings import this_settings
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.process import ProcessState


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The list of Celery's own handlers that were called. cellblock handles SIGQUIT during the test."""
    heard: list[str] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGQUIT)}
    signal.signal(signal.SIGTERM, lambda *_: heard.append("warm"))
    signal.signal(signal.SIGQUIT, lambda *_: heard.append("cold"))
    monkeypatch.setattr(of_worker, "should_stop", None)
    shutdown.drain_at_sigquit()
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_sigquit_is_warm_and_the_next_one_is_cold(
    heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signal.raise_signal(signal.SIGQUIT)
    monkeypatch.setattr(of_worker, "should_stop", 0)
    signal.raise_signal(signal.SIGQUIT)
    assert heard == ["warm", "cold"]


def test_a_sigquit_of_a_pools_process_is_celerys(heard: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "os", SimpleNamespace(getpid=lambda: os.getpid() + 1))
    signal.raise_signal(signal.SIGQUIT)
    assert heard == ["cold"]


@pytest.mark.parametrize(("how", "turns"), [("Warm", True), ("Cold", False)])
def test_a_warm_shutdown_turns_cold_once_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, how: str, turns: bool
) -> None:
    monkeypatch.setenv("CELLBLOCK_DRAIN", "0.2")
    this_settings.cache_clear()
    sent: list[tuple[int, int]] = []
    fake = SimpleNamespace(getpid=lambda: 4242, kill=lambda *about: sent.append(about))
    monkeypatch.setattr(shutdown, "os", fake)
    began = time.monotonic()
    shutdown.bound_shutdown(how)
    drains = [one for one in threading.enumerate() if one.name == "cellblock-drain"]
    assert len(drains) == turns, "no other test has left one, which would end this process"
    for one in drains:
        one.join(5)
    assert sent == ([(4242, signal.SIGQUIT)] if turns else [])
    assert not turns or 0.2 <= time.monotonic() - began < 5


@pytest.mark.parametrize("asked", ["prefork", "processes", "threads", prefork.TaskPool])
def test_a_pool_that_keeps_the_promises_is_taken(asked: object) -> None:
    check_pool(asked, autoscale=False)


def test_a_pool_that_is_refused_is_named_in_part() -> None:
    with pytest.raises(InvalidSetting, match="The pool '" + "x" * 40 + "' cannot keep"):
        check_pool("x" * 100, autoscale=False)
    with pytest.raises(InvalidSetting, match="The pool 'None' cannot"):
        check_pool(None, autoscale=False)
    with pytest.raises(InvalidSetting, match="cannot grow and shrink"):
        check_pool(thread.TaskPool, autoscale=True)
    check_pool(prefork.TaskPool, autoscale=True)


@pytest.mark.parametrize(
    "options",
    [
        {"pool": "solo"},
        {"pool_cls": "solo", "pool": "prefork"},
        {"pool": "threads", "autoscale": (3, 1)},
    ],
)
def test_a_worker_with_such_a_pool_does_not_start(options: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match=r"^cellblock: The pool"):
        lifecycle.refuse_pool(options)


def test_a_worker_that_asks_for_none_has_the_one_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.refuse_pool({})
    monkeypatch.setitem(app.conf, "worker_pool", "solo")
    with pytest.raises(SystemExit):
        lifecycle.refuse_pool({})


@pytest.mark.parametrize(
    ("kind", "warns"), [(thread.TaskPool, 1), (prefork.TaskPool, 0)], ids=["threads", "prefork"]
)
def test_threads_come_with_a_warning(caplog: pytest.LogCaptureFixture, kind: type, warns: int) -> None:
    warn_of_threads(SimpleNamespace(pool_cls=kind))
    assert len(caplog.records) == warns


def test_a_worker_has_our_pool_and_an_event_loop_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork.TaskPool, "Pool", None)
    guarded: list[int] = []
    monkeypatch.setattr(our_pool, "guard_event_loop", lambda: guarded.append(1))
    our_pool.use_our_pool()
    assert (prefork.TaskPool.Pool, guarded) == (our_pool.Pool, [1])


def test_a_process_is_a_workers_once_that_begins(process: ProcessState) -> None:
    before = process.is_worker
    lifecycle.become_worker()
    assert (before, process.is_worker) == (False, True)


@pytest.mark.parametrize(
    ("address", "user", "password"),
    [("redis://me:word@x/3", "me", "word"), ("redis://:word@x", None, "word"), ("redis://x", None, None)],
)
def test_a_look_at_redis_is_by_the_user_of_its_address(
    address: str, user: str | None, password: str | None
) -> None:
    with open_redis(parse_address(address)) as client:
        options = client.get_connection_kwargs()
    assert (options["username"], options["password"]) == (user, password)


def test_a_look_at_redis_takes_no_longer_than_it_may_and_leaves_no_connection(broker_url: str) -> None:
    with open_redis(parse_address(broker_url), within_s=1.5) as client:
        options = client.get_connection_kwargs()
        bounds = {options["socket_timeout"], options["socket_connect_timeout"]}
        assert (client.ping(), bounds) == (True, {1.5})
        assert (options["db"], options["decode_responses"]) == (int(broker_url.rpartition("/")[2]), True)
        pool_of = client.connection_pool
        (connection,) = pool_of._available_connections
    wait_until(lambda: connection._sock is None, 5, "it has hung up")
    with open_redis(load_settings().broker) as client:
        assert client.get_connection_kwargs()["socket_timeout"] == 5.0
