"""The whole deployment of compose.yaml: jobs, more workers, and a killed worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import requests
import yaml
from celery import Celery
from celery.result import AsyncResult

from config import load_settings
from tests.api.running import Caller
from tests.deploy.compose import Deployment
from tests.programs import ROOT
from tests.sandbox.engines.docker.guard.bodies import cell_body
from tests.sandbox.engines.docker.guard.guard import NAME
from tests.waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ANSWER_S = 60.0
ALERTS = {
    rule["alert"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


@pytest.fixture
def send(app: Celery) -> Callable[..., AsyncResult[Any]]:
    return lambda *args, **kwargs: app.send_task("cellblock.run_sandboxed", args, kwargs, queue="cellblock")


@pytest.fixture
def ask(send: Callable[..., AsyncResult[Any]]) -> Callable[..., dict[str, Any]]:
    return lambda *args, **kwargs: send(*args, **kwargs).get(timeout=ANSWER_S)


def test_a_job_goes_through_it(ask: Callable[..., dict[str, Any]]) -> None:
    result = ask("cat; cat f; exit 3", "bash", stdin="in ", files={"f": "file"})
    assert (result["stdout"], result["exit_code"], result["engine"]) == ("in file", 3, "docker")


def test_a_job_goes_through_it_over_http(deployment: Deployment) -> None:
    wait_until(lambda: _is_up(deployment.api()), 60, "the API answers")
    assert deployment.api().result("echo hi")["stdout"] == "hi\n"
    assert deployment.api().call("GET", "/v1/runtimes", headers={"Authorization": ""}).status_code == 401


def _is_up(caller: Caller) -> bool:
    try:
        return caller.call("GET", "/healthz").ok
    except requests.ConnectionError:
        return False


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


def test_a_job_with_a_list_of_hosts_gets_its_own_network(ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("echo $https_proxy", "bash", network=["example.com"])["stdout"].startswith("http://")


def test_a_megabyte_goes_there_and_back_through_the_proxy(ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("cat", "bash", stdin="x" * 1_000_000)["stdout_bytes"] == 1_000_000


def test_a_worker_has_no_socket_no_rights_and_a_root_that_cannot_be_written(deployment: Deployment) -> None:
    worker = deployment.engine.inspect_container(deployment.containers("worker")[0])
    host = worker["HostConfig"]
    assert worker["Config"]["User"] == "10001:10001"
    assert not [mount for mount in worker["Mounts"] if "docker.sock" in mount["Destination"]]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["Privileged"]) == (["ALL"], True, False)


def test_the_guard_lets_a_cell_through_and_nothing_else(deployment: Deployment) -> None:
    """tests/sandbox/engines/docker/guard tests everything else that the guard refuses."""
    (container,) = deployment.containers("engine-proxy")
    (network,) = deployment.engine.inspect_container(container)["NetworkSettings"]["Networks"].values()
    address = f"http://{network['IPAddress']}:2375/v1.41"
    settings = load_settings(owner=deployment.owner)
    body = cell_body(deployment.engine, settings)
    create = f"{address}/containers/create?name={NAME}"
    assert requests.post(create, json=body | {"User": "0:0"}, timeout=10).status_code == 403
    assert requests.post(create, json=body, timeout=10).status_code == 201
    assert requests.delete(f"{address}/containers/{NAME}?force=1", timeout=10).status_code == 204
    redis_id = deployment.containers("redis")[0]
    assert requests.delete(f"{address}/containers/{redis_id}?force=1", timeout=10).status_code == 403


def test_the_worker_is_healthy_and_its_doctor_finds_a_filtered_socket(deployment: Deployment) -> None:
    worker = deployment.containers("worker")[0]
    wait_until(lambda: _health(deployment, worker) == "healthy", 60, "the worker is healthy")
    doctor = deployment.engine.exec_create(worker, ["cellblock", "doctor", "socket", "--json"])
    report = json.loads(deployment.engine.exec_start(doctor["Id"]))
    assert [finding["level"] for finding in report] == ["ok"]


def _health(deployment: Deployment, container: str) -> str:
    state: dict[str, Any] = deployment.engine.inspect_container(container)["State"]
    return str(state["Health"]["Status"])


def test_redis_and_flower_ask_for_a_password(deployment: Deployment) -> None:
    port = int(deployment.env["REDIS_PORT"])
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    wait_until(lambda: _status(f"{deployment.flower_url}/tasks") == 401, 30, "Flower asks for a password")


@pytest.fixture(scope="module")
def prometheus(deployment: Deployment) -> Iterator[Callable[[str], Any]]:
    """Gives a function that asks Prometheus. Grafana is not started, because Debian has no package of it."""
    deployment.compose("up", "--detach", "prometheus")
    yield lambda path: _answer(f"{deployment.prometheus_url}/api/v1/{path}")
    deployment.compose("rm", "--stop", "--force", "-v", "prometheus")


def test_prometheus_finds_the_worker_the_api_and_flower(prometheus: Callable[[str], Any]) -> None:
    everyone = {"cellblock", "cellblock-api", "flower"}
    wait_until(lambda: _scraped(prometheus("targets")) == everyone, 60, "all are scraped")


def test_prometheus_evaluates_every_alert(prometheus: Callable[[str], Any]) -> None:
    wait_until(lambda: _evaluated(prometheus("rules")) == ALERTS, 60, "all alerts are evaluated")


def test_prometheus_counts_a_job(
    prometheus: Callable[[str], Any], ask: Callable[..., dict[str, Any]]
) -> None:
    ask("true", "bash")
    query = 'query?query=sum(cellblock_jobs_total{runtime="bash",status="succeeded"})>0'
    wait_until(lambda: (prometheus(query) or {}).get("result"), 60, "the job is counted")


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
    victim, *others = wait_until(lambda: _all_busy(deployment.workers(app)), 30, "each of them has jobs")
    # A warm cell has no label of the job that it runs. So the cells are found by their worker.
    wait_until(lambda: all(map(deployment.cells_of, [victim, *others])), 10, "each of them has cells")

    deployment.engine.kill(victim.partition("@")[2], "SIGKILL")
    wait_until(lambda: not deployment.cells_of(victim), 30, "its cells are gone")
    assert all(map(deployment.cells_of, others))
    assert sorted(deployment.workers(app)) == sorted(others)

    app.control.revoke([job.id for job in jobs], terminate=True)
    assert send("echo alive", "bash").get(timeout=ANSWER_S)["stdout"] == "alive\n"


def test_an_update_leaves_the_queue_no_moment_without_a_worker(
    deployment: Deployment, app: Celery, send: Callable[..., AsyncResult[Any]]
) -> None:
    # Earlier tests have restarted Redis and ended a worker.
    wait_until(lambda: _answering(app), 60, "the workers answer")
    before, counted, jobs = set(deployment.containers("worker")), list[int](), list[AsyncResult[Any]]()
    with deployment.updating() as update:
        while update.poll() is None:
            jobs.append(send("echo done", "bash"))
            counted.append(_answering(app))
    assert update.returncode == 0
    assert min(counted) >= 1, counted
    assert {job.get(timeout=ANSWER_S)["stdout"] for job in jobs} == {"done\n"}
    assert not deployment.containers("worker-next")
    assert not before & set(deployment.containers("worker"))


def _answering(app: Celery) -> int:
    """How many workers answer. The connection is new, since Redis may have been restarted."""
    with app.connection_for_write() as connection:
        return len(app.control.ping(timeout=1.0, connection=connection) or ())


def _all_busy(workers: dict[str, list[str]]) -> dict[str, list[str]]:
    return workers if len(workers) == 3 and all(workers.values()) else {}


def _answer(url: str) -> Any:
    """The data of Prometheus's answer; None while it starts."""
    try:
        answer = requests.get(url, timeout=5)
    except requests.ConnectionError:
        return None
    return answer.json()["data"] if answer.ok else None


def _scraped(targets: Any) -> set[str]:
    active = targets["activeTargets"] if targets else []
    return {target["labels"]["job"] for target in active if target["health"] == "up"}


def _evaluated(rules: Any) -> set[str]:
    """The names of the alerts that Prometheus could evaluate without an error."""
    groups = rules["groups"] if rules else []
    return {rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "ok"}


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return 0


def _length(server: redis.Redis, queue: str) -> int:
    try:
        return int(server.llen(queue))
    except redis.ConnectionError:
        return 0
