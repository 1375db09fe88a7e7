"""`cellblock health` answers quickly, and correctly for a worker that can't take jobs."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from cli.health import health as command
from cli.health import main
from tests.programs import ROOT, Worker, running_redis, running_worker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

_BOUND_S = 5


@pytest.fixture
def beat(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    before = set(psutil.Process().children())
    with running_redis(tmp_path) as url:
        (server,) = set(psutil.Process().children()) - before
        yield f"{url}/0", server
        server.resume()


@pytest.fixture
def host_worker(tmp_path: Path, beat: Path, redis_server: tuple[str, psutil.Process]) -> Iterator[Worker]:
    settings = {"CELLBLOCK_HEARTBEAT": str(beat), "CELLBLOCK_HEARTBEAT_BOUND": str(_BOUND_S)}
    url, _ = redis_server
    with running_worker(tmp_path, url, "--concurrency=1", ENABLE_DOCKER="false", **settings) as real:
        wait_until(lambda: health(beat).returncode == 0, 10, "the worker is healthy")
        yield real


def health(beat: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "health"]
    env = {"PYTHONPATH": str(ROOT), "CELLBLOCK_HEARTBEAT": str(beat)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=10, check=False)


def ails(beat: Path, words: str) -> bool:
    """Whether `health` reports a problem with these words."""
    outcome = health(beat)
    return outcome.returncode == 1 and words in outcome.stderr


def test_a_worker_whose_loop_stands_still_is_unhealthy(host_worker: Worker, beat: Path) -> None:
    stopped = psutil.Process(host_worker.process.pid)
    stopped.suspend()
    try:
        wait_until(lambda: ails(beat, "loop has not turned"), 3 * _BOUND_S, "the worker is unhealthy")
    finally:
        stopped.resume()
    wait_until(lambda: health(beat).returncode == 0, 10, "the worker is healthy again")


def test_a_broker_that_does_not_answer_makes_a_worker_unhealthy_until_it_does(
    host_worker: Worker, beat: Path, redis_server: tuple[str, psutil.Process]
) -> None:
    _, server = redis_server
    server.suspend()
    wait_until(lambda: ails(beat, "the broker has been away"), 4 * _BOUND_S, "the worker is unhealthy")
    server.resume()
    wait_until(lambda: health(beat).returncode == 0, 60, "the worker is healthy again")
    assert host_worker.process.poll() is None


def test_nothing_is_left_of_the_heartbeat_when_the_worker_has_ended(host_worker: Worker, beat: Path) -> None:
    host_worker.process.terminate()
    host_worker.process.wait(30)
    assert list(beat.parent.glob("heartbeat*")) == []
    assert ails(beat, "has not started, or has ended")


def test_a_keeper_that_is_gone_makes_a_worker_unhealthy(beat: Path) -> None:
    now = time.monotonic()
    signs = {"loop": now, "keeper": now - 61}
    beat.write_text(json.dumps({"pid": psutil.Process().pid, "bound_s": 60} | signs))
    assert ails(beat, "the keeper, which reaps and holds the warm cells, has been gone for 61 s, more than")


def test_a_worker_that_has_trouble_is_unhealthy_at_once(beat: Path) -> None:
    now = time.monotonic()
    signs = {"loop": now, "keeper": now, "trouble": "no jobs are taken, for 7 s now. Nobody is there."}
    beat.write_text(json.dumps({"pid": psutil.Process().pid, "bound_s": 60} | signs))
    assert ails(beat, "no jobs are taken, for 7 s now. Nobody is there.")


def test_a_dead_keeper_stops_its_sign_of_life(
    tmp_path: Path, beat: Path, broker_url: str, engine: docker.APIClient
) -> None:
    with running_worker(tmp_path, broker_url, "--concurrency=1", CELLBLOCK_HEARTBEAT=str(beat)) as worker:

        def is_missed() -> bool:
            """Kill the keeper again and again, because the worker restarts it with a growing delay."""
            for keeper in worker.keepers:
                with suppress(psutil.NoSuchProcess):
                    keeper.kill()
            return signs(beat)["loop"] > signs(beat)["keeper"]

        wait_until(is_missed, 20, "the keeper's sign of life is older than the loop's")


def signs(beat: Path) -> dict[str, float]:
    """What the worker has written to its heartbeat file."""
    content: dict[str, float] = json.loads(beat.read_text())
    return content


def test_a_worker_that_was_killed_is_unhealthy_at_once(beat: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    now = time.monotonic()
    beat.write_text(json.dumps({"pid": gone.pid, "bound_s": 60, "loop": now, "keeper": now}))
    assert ails(beat, f"the worker (process {gone.pid}) is gone")


def test_without_a_path_it_says_which_setting_gives_one() -> None:
    outcome = health("")
    assert (outcome.returncode, "CELLBLOCK_HEARTBEAT is not set" in outcome.stderr) == (2, True)


def test_it_takes_less_than_a_third_of_a_second_of_processor_time(beat: Path) -> None:
    now = time.monotonic()
    beat.write_text(json.dumps({"pid": psutil.Process().pid, "bound_s": 60, "loop": now, "keeper": now}))
    taken_s = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert health(beat).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken_s) < 0.3


def judged(monkeypatch: pytest.MonkeyPatch, beat: Path, **changes: object) -> int:
    """The exit code for such a heartbeat of this process, when the monotonic clock shows 1000 s."""
    signs: dict[str, object] = {"pid": psutil.Process().pid, "bound_s": 60, "loop": 1000, "keeper": 1000}
    beat.write_text(json.dumps(signs | changes))
    monkeypatch.setenv("CELLBLOCK_HEARTBEAT", str(beat))
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    return main()


@pytest.mark.parametrize("sign", ["loop", "keeper"])
def test_a_sign_of_life_may_be_as_old_as_the_bound_and_no_older(
    monkeypatch: pytest.MonkeyPatch, beat: Path, sign: str
) -> None:
    ages = {age_s: judged(monkeypatch, beat, **{sign: 1000 - age_s}) for age_s in (0, 60, 60.5)}
    assert ages == {0: 0, 60: 0, 60.5: 1}


def test_a_worker_of_another_user_is_alive_all_the_same(monkeypatch: pytest.MonkeyPatch, beat: Path) -> None:
    def kill(pid: int, number: int) -> None:
        """Answer as the kernel does for a process of another user, even if the tests run as root."""
        raise PermissionError

    monkeypatch.setattr("os.kill", kill)
    assert judged(monkeypatch, beat, pid=1) == 0


def test_the_command_leaves_with_the_same_code(beat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_HEARTBEAT", str(beat))
    with pytest.raises(SystemExit) as leaving:
        command()
    assert leaving.value.code == 1


def test_a_heartbeat_that_is_missing_is_said_with_its_path(
    beat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CELLBLOCK_HEARTBEAT", str(beat))
    assert main() == 1
    assert capsys.readouterr().err.startswith(f"cellblock: there is no heartbeat at {beat} (No such file or")
