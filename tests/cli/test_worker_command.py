"""Which options `cellblock worker` passes to Celery, and what else it starts."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from celery import signals
from celery.utils.dispatch import Signal
from typer.testing import CliRunner

from cli.checks import requirements
from cli.checks.requirements import wait_for_broker
from cli.main import command_line
from cli.worker import _check_pool, _options, _pulling, _told_to_stop
from config import InvalidSetting, load_settings
from tests.programs import free_port, running_redis
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, ["--loglevel=INFO"]),
        ({"log_level": "ERROR", "concurrency": 3}, ["--loglevel=ERROR", "--concurrency=3"]),
        ({"autoscale": "8,2"}, ["--loglevel=INFO", "--autoscale=8,2"]),
        ({"autoscale": "8,2", "concurrency": 3}, ["--loglevel=INFO", "--autoscale=8,2"]),
    ],
    ids=str,
)
def test_celery_is_told_the_level_of_its_log_and_the_size_of_its_pool(
    settings: dict[str, Any], options: list[str]
) -> None:
    assert _options(load_settings(**settings)) == options


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--concurrency=3"], ["--loglevel=INFO", "--concurrency=3"]),
        (["--autoscale=8,2"], ["--loglevel=INFO", "--autoscale=8,2"]),
        (["--hostname=a@b"], ["--loglevel=INFO", "--hostname=a@b"]),
    ],
    ids=lambda words: words[-1],
)
def test_what_is_asked_for_on_the_command_line_reaches_celery(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], told: list[str]
) -> None:
    """The broker and the engine are not needed, because nothing is started."""
    heard: list[str] = []

    def start(options: list[str], *, quiet: bool) -> None:
        assert not quiet
        heard.extend(options)

    for variable in ("CELLBLOCK_CONCURRENCY", "CELLBLOCK_AUTOSCALE"):
        # Let monkeypatch restore the variables that the command sets.
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    start_nothing(monkeypatch)
    monkeypatch.setattr("cli.worker._celery_worker", start)
    assert CliRunner().invoke(command_line("worker"), ["worker", *asked]).exit_code == 0
    assert heard == told


def start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the command does before Celery's own command."""
    for part in ("wait_for_broker", "_warn_of_redis", "require_engine", "_told_to_stop"):
        monkeypatch.setattr(f"cli.worker.{part}", lambda *_: None)
    monkeypatch.setattr("cli.worker._pulling", lambda _: nullcontext())


@pytest.mark.parametrize(
    ("told", "celerys", "code"), [(["Warm"], 1, 0), (["Cold"], 70, 0), ([], 70, 70), ([], 0, 0)]
)
def test_an_end_is_a_failure_only_if_nobody_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, told: list[str], celerys: int, code: int
) -> None:
    start_nothing(monkeypatch)
    monkeypatch.setattr("cli.worker._told_to_stop", lambda: told)
    monkeypatch.setattr("cli.worker._celery_worker", lambda _, **__: celerys)
    ended = CliRunner().invoke(command_line("worker"), ["worker"])
    assert (ended.exit_code, "nobody told it to" in ended.stderr) == (code, code != 0)


@pytest.mark.parametrize(
    ("arguments", "autoscale", "is_refused"),
    [
        ([], None, False),
        (["--pool=prefork", "--autoscale=3,1"], None, False),
        (["-P", "solo"], None, True),
        (["-Psolo"], None, True),
        (["--pool", "threads"], None, False),
        (["--pool", "threads", "--autoscale=3,1"], None, True),
        (["--pool", "threads"], "3,1", True),
        (["--pools", "solo"], None, False),
    ],
    ids=str,
)
def test_a_pool_is_judged_however_it_is_asked_for(
    arguments: list[str], autoscale: str | None, is_refused: bool
) -> None:
    settings = load_settings(autoscale=autoscale)
    if not is_refused:
        _check_pool(arguments, settings)
        return
    with pytest.raises(InvalidSetting, match="The pool"):
        _check_pool(arguments, settings)


def test_a_worker_knows_that_it_was_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test uses a signal of its own. At Celery's real one, the lifecycle would end this process."""
    shutting_down = Signal(name="worker_shutting_down", providing_args=["sig", "how", "exitcode"])
    monkeypatch.setattr("cli.worker.signals", SimpleNamespace(worker_shutting_down=shutting_down))
    told = _told_to_stop()
    assert told == []
    shutting_down.send(sender=None, how="Warm", sig="SIGTERM", exitcode=0)
    assert told == ["Warm"]


@pytest.fixture
def silent_engine(tmp_path: Path) -> Iterator[str]:
    """Gives the address of an engine that accepts connections and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "engine.sock"))
        listener.listen()
        yield f"unix://{tmp_path}/engine.sock"


def test_missing_images_are_pulled_beside_the_worker_and_not_longer_than_it_runs(
    silent_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_DOCKER_HOST", silent_engine)
    # Without the end of the worker, the pull would wait for the engine this long.
    monkeypatch.setenv("CELLBLOCK_ENGINE_MARGIN", "1000")
    before = children()
    with _pulling(load_settings()):
        (puller,) = children() - before
        assert puller.cmdline() == [sys.executable, "-m", "cli", "images", "pull", "--quiet"]
    assert not puller.is_running()


def test_a_worker_of_the_engine_oci_pulls_too_and_its_pull_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program stands in for skopeo, and never answers."""
    (tmp_path / "skopeo").write_text(f"#!/bin/sh\ntouch {tmp_path}/asked; exec sleep 300\n")
    (tmp_path / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CELLBLOCK_ENGINE", "oci")
    monkeypatch.setenv("CELLBLOCK_STORE", str(tmp_path / "store"))
    with _pulling(load_settings()):
        wait_until((tmp_path / "asked").exists, 30, "the registry is asked")
    assert list((tmp_path / "store/images").iterdir()) == []


@pytest.mark.parametrize("settings", [{"pull": "never"}, {"enable_docker": False}], ids=str)
def test_nothing_is_pulled_where_nothing_may_be(settings: dict[str, Any]) -> None:
    before = children()
    with _pulling(load_settings(**settings)):
        assert children() == before


def children() -> set[psutil.Process]:
    """The child processes of this process."""
    return set(psutil.Process().children())


def test_a_redis_that_takes_nothing_is_waited_for_and_it_is_said_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import threading

    import redis

    monkeypatch.setattr(requirements, "_LOOK_S", 0.02)
    passed_s = [0.0]
    # The code under test reads this clock.
    monkeypatch.setattr(requirements, "time", type("Clock", (), {"monotonic": lambda: passed_s[0]}))
    said = ""

    def lines() -> int:
        nonlocal said
        said += capfd.readouterr().err
        return said.count("The worker waits.")

    with running_redis(tmp_path) as url, redis.Redis.from_url(url) as server:
        server.replicaof("127.0.0.1", str(free_port()))
        waiting = threading.Thread(target=wait_for_broker, args=(load_settings(broker_url=url),))
        waiting.start()
        wait_until(lambda: lines() == 1, 10, "it says why it waits")
        passed_s[0] = 59.9
        looks = server.info("commandstats")["cmdstat_multi"]["calls"]
        wait_until(lambda: server.info("commandstats")["cmdstat_multi"]["calls"] > looks + 3, 10, "it looks")
        assert lines() == 1
        passed_s[0] = 60
        wait_until(lambda: lines() == 2, 10, "it says so again")
        server.replicaof("NO", "ONE")
        waiting.join(10)
        assert not waiting.is_alive()
    assert "is a replica, and takes no writes" in said


def test_between_two_looks_at_a_redis_is_a_second() -> None:
    assert requirements._LOOK_S == 1.0


def test_the_log_warns_of_what_redis_would_lose_before_it_does(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker_url)
    monkeypatch.setenv("CELLBLOCK_MAX_TIMEOUT", "3600")
    from cli.worker import _warn_of_redis

    before = list(signals.celeryd_after_setup.receivers)
    try:
        _warn_of_redis()
        assert caplog.messages == []
        signals.celeryd_after_setup.receivers[-1][1](sender=None)
    finally:
        signals.celeryd_after_setup.receivers[:] = before
    starts = ["Redis keeps nothing on disk", "a message comes again after"]
    assert [message.startswith(start) for message, start in zip(caplog.messages, starts, strict=True)] == [
        True,
        True,
    ]
    assert all(". Try: " in message for message in caplog.messages)
