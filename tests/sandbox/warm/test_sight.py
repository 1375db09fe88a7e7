"""What a keeper sees of its engine, and how the keeper's worker reads that."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.warm.client import KeeperClient
from sandbox.warm.sight import SIGHT, Sight, look_again_and_again, read_sight
from tests.engine_stand_in import standing_in

if TYPE_CHECKING:
    from config import Settings

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def looks(settings: Settings, path: Path) -> threading.Thread:
    thread = threading.Thread(target=look_again_and_again, args=(settings, path), daemon=True)
    thread.start()
    return thread


def seen(path: Path, count: int, monkeypatch: pytest.MonkeyPatch, address: str) -> Sight:
    """What the keeper has written after `count` looks at the engine. Then its folder is removed."""
    left = iter(range(count, 0, -1))
    last: list[Sight | None] = []

    def end(_: float) -> None:
        last.append(read_sight(path))
        if next(left) == 1:
            shutil.rmtree(path.parent)

    monkeypatch.setattr("sandbox.warm.sight.time.sleep", end)
    thread = looks(load_settings(docker_host=address, engine_margin=3), path)
    thread.join(20)
    assert not thread.is_alive(), "it looks on although its folder is gone"
    assert last[-1] is not None
    return last[-1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "keeper"
    folder.mkdir()
    return folder / SIGHT


def test_an_engine_that_answers_was_never_away(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with standing_in(tmp_path / "s") as there:
        sight = seen(path, 2, monkeypatch, there.url)
    assert (sight.why, sight.last_away) == (None, 0.0)
    assert began <= sight.at <= time.monotonic()


def test_an_engine_that_does_not_answer_is_away_now_and_why(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    sight = seen(path, 1, monkeypatch, "unix:///nonexistent/s")
    assert "No container engine answers" in (sight.why or "")
    assert began <= sight.at <= sight.last_away <= time.monotonic()


def test_when_it_was_away_is_remembered_and_by_the_next_keeper_too(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text('{"at": 7, "why": "it was gone", "last_away": 5}')
    with standing_in(tmp_path / "s") as there:
        sight = seen(path, 2, monkeypatch, there.url)
    assert (sight.why, sight.last_away) == (None, 5)


@pytest.mark.parametrize(("text", "last_away"), [(None, 0.0), ('{"at": 7, "why": null, "last_away": 5}', 5)])
def test_a_claimant_knows_when_the_engine_was_last_away(
    path: Path, text: str | None, last_away: float
) -> None:
    if text:
        path.write_text(text)
    assert KeeperClient(str(path.with_name("socket")), lambda _: ()).last_away() == last_away


def test_it_looks_every_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def end(seconds: float) -> None:
        slept.append(seconds)
        shutil.rmtree(path.parent)

    monkeypatch.setattr("sandbox.warm.sight.time.sleep", end)
    thread = looks(load_settings(docker_host="unix:///nonexistent/s"), path)
    thread.join(20)
    assert slept == [1.0]


def test_a_folder_that_goes_during_a_look_is_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        path.parent.rmdir()

    monkeypatch.setattr("sandbox.engines.docker.engine.ping", gone)
    monkeypatch.setattr("sandbox.warm.sight.time.sleep", lambda _: None)
    look_again_and_again(load_settings(), path)
    assert not path.exists()
