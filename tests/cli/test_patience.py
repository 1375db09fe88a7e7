"""Waiting for a job that no worker takes: when the command says so, how often, and what it says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cli.checks.workers import served_queues
from cli.patience import Patience
from config import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SAYS = "cellblock: job 7 is waiting for a worker: "


@pytest.fixture
def server(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """Gives the broker of this process's settings, and empties it at the end."""
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker_url)
    with redis.Redis.from_url(broker_url) as client:
        yield client
        client.flushdb()


def alive(server: redis.Redis, queue: str, for_s: float = 60) -> None:
    """Announce a worker for `queue`, as workers do."""
    server.zadd("cellblock.consumers", {queue: server.time()[0] + for_s})
    server.sadd(f"cellblock.consumer:{queue}", queue, f"{queue}\x06\x163")


def said(capsys: pytest.CaptureFixture[str], **request: Any) -> str:
    Patience("7", {"cmd": "true", "runtime": "bash"} | request).look()
    return capsys.readouterr().err


def test_that_no_worker_is_alive_is_said(server: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    alive(server, "cellblock", for_s=-1)
    assert said(capsys) == f"{SAYS}none is alive. Try: cellblock worker\n"


def test_that_they_take_from_elsewhere_is_said_with_the_queue(
    server: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    alive(server, "b")
    alive(server, "a")
    mend = "CELLBLOCK_QUEUES=cellblock cellblock worker"
    assert said(capsys) == f"{SAYS}none takes from 'cellblock', but from a, b. Try: {mend}\n"


def test_of_several_queues_a_job_waits_in_the_first(
    server: redis.Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_QUEUES", "urgent,other")
    alive(server, "other")
    assert "none takes from 'urgent', but from other" in said(capsys)


@pytest.mark.parametrize(("routes", "queue"), [("", "cellblock"), ("bash=heavy", "heavy")])
def test_where_somebody_takes_it_nothing_is_said(
    server: redis.Redis,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    routes: str,
    queue: str,
) -> None:
    monkeypatch.setenv("CELLBLOCK_ROUTES", routes)
    alive(server, queue)
    assert said(capsys) == ""


def test_it_is_said_once_and_after_two_seconds(
    server: redis.Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    moments = iter([now, now + 1.9, now + 2, now + 9])
    # The code under test reads this clock.
    monkeypatch.setattr("cli.patience.time", type("Clock", (), {"monotonic": lambda: next(moments)}))
    patience = Patience("7", {"cmd": "true", "runtime": "bash"})
    lines = []
    for _ in range(3):
        patience.wear()
        lines.append(capsys.readouterr().err.count(SAYS))
    assert lines == [0, 1, 0]


def test_what_rabbitmq_serves_is_not_known(server: redis.Redis) -> None:
    settings = load_settings(broker_url="amqp://rabbit", result_backend="redis://redis")
    assert served_queues(settings) is None
    assert served_queues(load_settings()) == set()
