"""How the keeper's process is started, restarted and ended. Short shell programs replace the keeper."""

from __future__ import annotations

import json
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import meter
from sandbox.warm import KeeperProcess, Sight
from sandbox.warm import process as module
from tests.clock import Clock
from tests.waiting import PATIENCE, wait_until

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A function that replaces the keeper by a shell program, and returns the file that lists its starts."""
    starts = tmp_path / "starts"
    path = tmp_path / "program"

    def write(text: str) -> Path:
        path.write_text(f'#!/bin/sh\necho "$CELLBLOCK_WARM $*" >>{starts}\n{text}\n')
        path.chmod(0o755)
        return starts

    monkeypatch.setattr("sandbox.warm.process.sys.executable", str(path))
    return write


@pytest.fixture
def keeper(program: Program) -> Iterator[Callable[..., KeeperProcess]]:
    made: list[KeeperProcess] = []

    def make(bound_s: float = 10.0) -> KeeperProcess:
        made.append(KeeperProcess("w@h", bound_s))
        return made[-1]

    yield make
    program("cat >/dev/null")
    for one in made:
        one.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def count(starts: Path) -> int:
    return len(starts.read_text().splitlines()) if starts.exists() else 0


def died(keeper: KeeperProcess, starts: Path, number: int) -> None:
    """Wait until the keeper has been started `number` times and has ended."""
    wait_until(lambda: count(starts) == number and not keeper.is_alive, 10, f"start {number}")


def test_it_is_told_its_socket_and_its_worker(program: Program, keeper: Callable[..., KeeperProcess]) -> None:
    starts = program("cat >/dev/null")
    one = keeper()
    wait_until(lambda: count(starts), 10, "it runs")
    assert starts.read_text().split() == ["-m", "sandbox.warm.keeper", one.path, "w@h"]
    assert one.is_alive


def test_nobody_else_may_enter_the_folder_of_its_socket_and_it_goes_with_it(
    program: Program, keeper: Callable[..., KeeperProcess]
) -> None:
    program("cat >/dev/null")
    one = keeper()
    folder = Path(one.path).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    one.stop()
    assert not folder.exists()


def test_it_ends_when_its_standard_input_does(program: Program, keeper: Callable[..., KeeperProcess]) -> None:
    starts = program("cat >/dev/null; echo ended >>$0.end")
    one = keeper()
    wait_until(lambda: count(starts), 10, "it runs")
    one.stop()
    assert not one.is_alive
    assert starts.with_name("program.end").read_text() == "ended\n"


def test_one_that_does_not_end_is_killed_after_twice_the_bound(
    program: Program, keeper: Callable[..., KeeperProcess]
) -> None:
    program("exec sleep 600")
    one = keeper(bound_s=0.3)
    began = time.monotonic()
    one.stop()
    assert 0.6 <= time.monotonic() - began < 5 * PATIENCE
    assert not one.is_alive


def test_for_what_a_dead_one_left_another_runs_that_keeps_no_cells(
    program: Program, keeper: Callable[..., KeeperProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_WARM", "7")
    starts = program("exit 3")
    one = keeper()
    died(one, starts, 1)
    one.stop()
    assert [line.split()[0] for line in starts.read_text().splitlines()] == ["7", "0"]


def test_one_that_dies_again_and_again_is_started_less_and_less_often(
    program: Program, keeper: Callable[..., KeeperProcess], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    starts = program("exit 3")
    one = keeper()
    for number, pause_s in enumerate([1, 2, 4, 8, 16, 32, 60, 60], 1):
        died(one, starts, number)
        dead = one._process
        one.revive()
        clock.now_s += pause_s - 0.01
        one.revive()
        assert one._process is dead
        clock.now_s += 0.02
        one.revive()
    died(one, starts, 9)
    assert {record.getMessage() for record in caplog.records} == {
        "The keeper has ended with 3 and is started again"
    }
    assert len(caplog.records) == 8


def test_one_that_lives_is_left_alone(
    program: Program, keeper: Callable[..., KeeperProcess], clock: Clock
) -> None:
    starts = program("cat >/dev/null")
    one = keeper()
    wait_until(lambda: count(starts), 10, "it runs")
    one.revive()
    clock.now_s += 100
    one.revive()
    assert count(starts) == 1


def test_one_that_cannot_be_started_is_tried_again(
    program: Program, keeper: Callable[..., KeeperProcess], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    starts = program("exit 3")
    one = keeper()
    died(one, starts, 1)
    path = starts.with_name("program")
    path.rename(path.with_suffix(".away"))
    for _ in range(2):
        one.revive()
        clock.now_s += 10
        one.revive()
    assert caplog.text.count("The keeper can't be started, and that is tried again") == 2
    path.with_suffix(".away").rename(path)
    one.revive()
    clock.now_s += 10
    one.revive()
    died(one, starts, 2)


def test_at_first_it_is_an_error_when_it_cannot_be_started_and_no_folder_stays(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del program
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(OSError, match="No such file"):
        KeeperProcess("w@h", 1)
    assert list(tmp_path.iterdir()) == []


def test_it_measures_to_whom_its_worker_does(program: Program, keeper: Callable[..., KeeperProcess]) -> None:
    program('bash -c "echo told >&$5"; cat >/dev/null')
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(10)
    with near, far:
        meter.report_to(far)
        try:
            keeper()
        finally:
            meter.report_to(None)
        assert near.recv(64) == b"told\n"


def test_what_it_sees_of_the_engine_is_read_from_its_folder(
    program: Program, keeper: Callable[..., KeeperProcess]
) -> None:
    program("cat >/dev/null")
    one = keeper()
    assert one.sight() is None
    Path(one.path).with_name("engine.json").write_text(json.dumps({"at": 3, "why": "gone", "last_away": 2}))
    assert one.sight() == Sight(3, "gone", 2)


def test_what_a_killed_one_left_or_took_along_hinders_no_other(
    program: Program, keeper: Callable[..., KeeperProcess], clock: Clock
) -> None:
    starts = program("exit 3")
    one = keeper()
    socket_file = Path(one.path)
    died(one, starts, 1)
    socket_file.touch()
    one.revive()
    clock.now_s += 1
    one.revive()
    died(one, starts, 2)
    assert not socket_file.exists()
    shutil.rmtree(socket_file.parent)
    one.revive()
    clock.now_s += 2
    one.revive()
    died(one, starts, 3)
    assert stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700
