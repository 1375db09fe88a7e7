"""The end of an attempt: its result is stored once, its chord counted and its lease given back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis
from celery import Celery

from tests.chaos.durable_redis import DurableRedis
from tests.programs import ROOT, has_ended, running_worker, runs, unique_sleep
from tests.tasks.conftest import ANSWER_S, TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.programs import Worker

    ClientOf = Callable[[str], Celery]

ON_HOST = {"ENABLE_DOCKER": "false", "CELLBLOCK_ENGINE_MARGIN": "3", "CELLBLOCK_SILENCE": "3"}


@pytest.fixture
def database(broker_url: str) -> Iterator[redis.Redis]:
    """A client of the broker's Redis."""
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client


def _sent(broker_url: str, cmd: str, **limits: object) -> str:
    """Send a job from an app that has no result backend, and return its id."""
    with Celery(broker=broker_url, backend="disabled://", set_as_current=False) as app:
        return str(app.send_task(TASK, [cmd, "bash"], limits, queue="cellblock").id)


def _holder(database: redis.Redis, task_id: str) -> psutil.Process:
    """The pool process that holds a job's lease."""
    holder = wait_until(lambda: database.hget(f"cellblock.lease:{task_id}", "holder"), 10, "a lease")
    return psutil.Process(int(str(holder).split("|")[1]))


def test_a_chord_goes_on_whose_member_was_killed_between_its_result_and_its_count(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    script = (
        "import sys; from celery import Celery, chord;"
        " app = Celery(broker=sys.argv[1], backend=sys.argv[1]);"
        " job = lambda cmd: app.signature('cellblock.run_sandboxed', [cmd, 'bash'], queue='cellblock');"
        " body = chord([job('echo member') for _ in range(2)])(job('echo body').set(immutable=True));"
        " print(*body.parent.results, body)"
    )
    ran = subprocess.run([sys.executable, "-c", script, broker_url], capture_output=True, check=True)
    ids = ran.stdout.decode().split()
    stored: dict[str, Any] = {"status": "SUCCESS", "result": {"stdout": "stored"}, "traceback": None}
    stored |= {"children": [], "task_id": ids[0]}
    database.set(f"celery-task-meta-{ids[0]}", json.dumps(stored), ex=60)
    app = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=1", **ON_HOST):
        results = [app.AsyncResult(job_id).get(timeout=ANSWER_S)["stdout"] for job_id in ids]
    assert results == ["stored", "member\n", "body\n"]


def test_an_app_with_ours_cancels_a_waiting_job_while_no_worker_lives(
    tmp_path: Path, broker_url: str, client_of: ClientOf
) -> None:
    script = (
        "from tasks import run_sandboxed; job = run_sandboxed.delay('echo ran', 'bash');"
        " job.revoke(terminate=True); print(job.id)"
    )
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url}
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, check=True)
    with running_worker(tmp_path, broker_url, "--concurrency=1", **ON_HOST):
        result = client_of(broker_url).AsyncResult(ran.stdout.decode().strip()).get(timeout=ANSWER_S)
    assert (result["status"], result["stdout"]) == ("cancelled", "")


def test_a_job_whose_result_cannot_be_stored_leaves_no_lease_and_no_renewal_behind(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    sleep = unique_sleep(2)
    app = client_of(broker_url)
    with running_worker(tmp_path, broker_url, "--concurrency=1", **ON_HOST) as worker:
        job_id = _sent(broker_url, sleep)
        wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
        database.lpush(f"celery-task-meta-{job_id}", "no text")
        wait_until(lambda: "WRONGTYPE" in worker.log(), 10, "its result is refused")
        wait_until(lambda: not database.exists(f"cellblock.lease:{job_id}"), 5, "its lease is gone")
        database.delete(f"celery-task-meta-{job_id}")
        assert app.send_task(TASK, ["echo next", "bash"]).get(timeout=ANSWER_S)["stdout"] == "next\n"
        assert not database.exists(f"cellblock.lease:{job_id}")


def test_what_a_frozen_process_is_known_to_have_written_is_told_with_its_true_size(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    sleep, live = unique_sleep(30), {"CELLBLOCK_LIVE": "on", "CELLBLOCK_LIVE_LIMIT": "256k"}
    cmd = f"head -c 1000000 /dev/zero | tr '\\0' x; {sleep}"
    with running_worker(tmp_path, broker_url, "--concurrency=1", **ON_HOST, **live):
        handle = client_of(broker_url).send_task(TASK, [cmd, "bash"], {"timeout": 3, "grace": 0})
        wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
        wait_until(lambda: _streamed(database, handle.id) == 1_000_000, 5, "everything is streamed")
        _holder(database, handle.id).send_signal(signal.SIGSTOP)
        result = handle.get(timeout=ANSWER_S)
    assert (result["status"], result["stdout_bytes"], result["stdout_truncated"]) == (
        "timed_out",
        1_000_000,
        True,
    )
    assert 0 < len(result["stdout"]) < 256 << 10


def _streamed(database: redis.Redis, task_id: str) -> int:
    found: Any = database.xrevrange(f"cellblock.live:{task_id}", count=1)
    fields = found[0][1] if found else {"kind": "start"}
    return int(fields["offset"]) + len(fields["data"]) if fields["kind"] == "stdout" else 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGUSR1])
def test_a_process_that_is_struck_in_the_middle_of_a_word_to_its_parent_does_no_harm(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis, number: signal.Signals
) -> None:
    """SIGSTOP: its parent kills the frozen process. SIGUSR1: its parent signals the soft limit with it."""
    sleep = unique_sleep(1)
    cmd = f"{sleep}; head -c 4000000 /dev/zero | tr '\\0' x; exit 1"
    app = client_of(broker_url)
    # After this time a parent kills a process whose limits are paused and whose result is not stored.
    brief = {"CELLBLOCK_RESULT_EXPIRES": "5"} if number is signal.SIGSTOP else {}
    with running_worker(tmp_path, broker_url, "--concurrency=1", **ON_HOST, **brief) as worker:
        job_id = _sent(broker_url, cmd, check=True, output_limit="4m")
        wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
        child = _holder(database, job_id)
        worker.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: _waits_for_the_pipe(child), 10, "it has said half of it")
        child.send_signal(number)
        worker.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not database.hlen("unacked"), 20, "its job is done with")
        for word in ("one", "two", "three"):
            answer = app.send_task(TASK, [f"echo {word}", "bash"]).get(timeout=ANSWER_S)
            assert answer["stdout"] == f"{word}\n"
        assert worker.log().count(f"{job_id}] received") == 1
        assert "Unrecoverable" not in worker.log()
        assert worker.process.poll() is None


def _waits_for_the_pipe(process: psutil.Process) -> bool:
    return "pipe_write" in Path(f"/proc/{process.pid}/wchan").read_text()


def test_the_event_loop_goes_on_while_a_killed_process_job_waits_to_be_stored(
    tmp_path: Path, broker_url: str, client_of: ClientOf, database: redis.Redis
) -> None:
    sleep = unique_sleep(30)
    app = client_of(broker_url)
    folder = tmp_path / "results"
    folder.mkdir()
    with (
        DurableRedis(folder) as results,
        running_worker(
            tmp_path, broker_url, "--concurrency=1", **ON_HOST, CELLBLOCK_RESULT_BACKEND=results.url
        ) as worker,
        results.client() as stored,
    ):
        job_id = _sent(broker_url, sleep, timeout=1, grace=0)
        wait_until(lambda: runs(sleep), ANSWER_S, "the job runs")
        child = _holder(stored, job_id)
        child.send_signal(signal.SIGSTOP)
        results.kill()
        wait_until(lambda: has_ended(child), 20, "the hard limit has killed the process")
        assert _pings(app, worker), "the worker answers while the result waits"
        results.start()
        wait_until(lambda: "timed_out" in _result(results, job_id), 20, "the result is stored")


def _pings(app: Celery, worker: Worker) -> bool:
    return worker.process.poll() is None and bool(app.control.ping(timeout=2))


def _result(server: DurableRedis, task_id: str) -> str:
    if not server.answers():
        return ""
    with server.client() as client:
        return str(client.get(f"celery-task-meta-{task_id}"))
