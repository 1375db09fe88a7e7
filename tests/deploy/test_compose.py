"""The whole deployment of compose.yaml: jobs through it, more workers, a worker killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
import requests
from celery import Celery
from celery.result import AsyncResult

from tests.deploy.compose import Deployment
from tests.waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ANSWER_S = 60.0


@pytest.fixture
def send(app: Celery) -> Callable[..., AsyncResult[Any]]:
    return lambda *args, **kwargs: app.send_task("cellblock.run_sandboxed", args, kwargs)


@pytest.fixture
def ask(send: Callable[..., AsyncResult[Any]]) -> Callable[..., dict[str, Any]]:
    return lambda *args, **kwargs: send(*args, **kwargs).get(timeout=ANSWER_S)


def test_a_job_goes_through_it(ask: Callable[..., dict[str, Any]]) -> None:
    result = ask("cat; cat f; exit 3", "bash", stdin="in ", files={"f": "file"})
    assert (result["stdout"], result["exit_code"], result["engine"]) == ("in file", 3, "docker")


def test_warm_cells_are_attached_through_the_proxy(ask: Callable[..., dict[str, Any]]) -> None:
    wait_until(lambda: ask("true", "bash")["warm"], 30, "a warm cell is used")


@pytest.mark.parametrize(
    ("cmd", "limits", "status"),
    [
        ("sleep 60", {"timeout": 1}, "timed_out"),
        ("exec tail /dev/zero", {"memory": "32m"}, "out_of_memory"),
        ("yes", {"output_limit": 1000}, "output_limit"),
    ],
)
def test_limits_hold_through_the_proxy(
    ask: Callable[..., dict[str, Any]], cmd: str, limits: dict[str, object], status: str
) -> None:
    assert ask(cmd, "bash", **limits)["status"] == status


def test_a_megabyte_goes_there_and_back_through_the_proxy(ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("cat", "bash", stdin="x" * 1_000_000)["stdout_bytes"] == 1_000_000


def test_a_worker_has_no_socket_no_rights_and_a_root_that_cannot_be_written(deployment: Deployment) -> None:
    worker = deployment.engine.inspect_container(deployment.containers("worker")[0])
    host = worker["HostConfig"]
    assert worker["Config"]["User"] == "10001:10001"
    assert not [mount for mount in worker["Mounts"] if "docker.sock" in mount["Destination"]]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["Privileged"]) == (["ALL"], True, False)


def test_redis_and_flower_ask_for_a_password(deployment: Deployment) -> None:
    port = int(deployment.env["REDIS_PORT"])
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    wait_until(lambda: _status(f"{deployment.flower_url}/tasks") == 401, 30, "Flower asks for a password")


def test_queued_jobs_outlive_a_restart_of_redis(deployment: Deployment, app: Celery) -> None:
    app.send_task("cellblock.run_sandboxed", ["true"], queue="parked")
    deployment.compose("restart", "redis")
    with redis.Redis.from_url(deployment.broker_url) as server:
        wait_until(lambda: _length(server, "parked") == 1, 20, "the job is there again")
        server.delete("parked")


def test_three_workers_share_the_jobs_and_one_killed_takes_only_its_own_cell(
    deployment: Deployment, app: Celery, send: Callable[..., AsyncResult[Any]]
) -> None:
    deployment.compose("up", "--detach", "--no-recreate", "--scale", "worker=3")
    wait_until(lambda: len(deployment.workers(app)) == 3, 60, "three workers answer")
    jobs = [send("sleep 600", "bash", timeout=600) for _ in range(6)]
    busy = wait_until(lambda: _all_busy(deployment.workers(app)), 30, "each of them has jobs")

    victim = next(iter(busy))
    killed = [f"cellblock.task={task_id}" for task_id in busy[victim]]
    deployment.engine.kill(victim.partition("@")[2], "SIGKILL")
    wait_until(lambda: not any(map(deployment.cells, killed)), 30, "its cells are gone")
    assert len(deployment.workers(app)) == 2

    app.control.revoke([job.id for job in jobs], terminate=True)
    assert send("echo alive", "bash").get(timeout=ANSWER_S)["stdout"] == "alive\n"


def _all_busy(workers: dict[str, list[str]]) -> dict[str, list[str]] | None:
    return workers if len(workers) == 3 and all(workers.values()) else None


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return 0


def _length(server: redis.Redis, queue: str) -> int:
    try:
        return int(server.llen(queue))  # type: ignore[arg-type]
    except redis.ConnectionError:
        return 0
