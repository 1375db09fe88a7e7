"""The whole deployment of compose.yaml: jobs through it, more workers, a worker killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
import requests
import yaml
from celery import Celery
from celery.result import AsyncResult

from config import load_catalogue, load_settings
from sandbox.limits import resolve_limits
from sandbox.profile import container_config
from tests.conftest import OWNER
from tests.deploy.compose import Deployment
from tests.programs import ROOT
from tests.waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ANSWER_S = 60.0
ALERTS = {
    rule["alert"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
#: What the profile makes of a plain job.
CELL = container_config(
    image="cellblock/bash:local",
    limits=resolve_limits({}, load_catalogue()["bash"].limits, load_settings()),
    labels={"cellblock.owner": OWNER},
    env={},
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """What the proxy answers to whoever reaches it, by the status alone."""

    address: str

    def call(self, method: str, path: str, body: str | None = None) -> int:
        request = requests.Request(method, self.address, data=body, headers=_JSON).prepare()
        # As it stands: an address with dots in it would be made plain.
        request.url = f"{self.address}/{path}"
        with requests.Session() as session:
            return session.send(request, timeout=10).status_code

    def post(self, path: str, body: str) -> int:
        return self.call("POST", path, body)


_JSON = {"Content-Type": "application/json"}


def _with(harm: dict[str, Any]) -> str:
    """A cell's configuration, changed for the worse."""
    host = CELL["HostConfig"] | harm.get("HostConfig", {})
    return json.dumps(CELL | harm | {"HostConfig": host})


@pytest.fixture
def proxy(deployment: Deployment) -> Proxy:
    """The proxy, at its address on the internal network, which this host is part of."""
    (container,) = deployment.containers("engine-proxy")
    (network,) = deployment.engine.inspect_container(container)["NetworkSettings"]["Networks"].values()
    return Proxy(f"http://{network['IPAddress']}:2375/v1.41")


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


@pytest.mark.parametrize(
    "harm",
    [
        {"HostConfig": {"Privileged": True}},
        {"HostConfig": {"Binds": ["/:/host"]}},
        {"hostconfig": {"binds": ["/:/host"]}},
        {"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}},
        {"HostConfig": {"CapAdd": ["SYS_ADMIN"]}},
        {"HostConfig": {"CapDrop": []}},
        {"HostConfig": {"SecurityOpt": ["no-new-privileges:true", "seccomp={}", "seccomp=unconfined"]}},
        {"HostConfig": {"SecurityOpt": []}},
        {"HostConfig": {"PidMode": "host"}},
        {"HostConfig": {"NetworkMode": "host"}},
        {"HostConfig": {"NetworkMode": "container:other"}},
        {"HostConfig": {"NetworkMode": "cellblock_broker"}},
        {"HostConfig": {"Sysctls": {"kernel.msgmax": "1"}}},
        {"HostConfig": {"IpcMode": "host"}},
        {"HostConfig": {"MaskedPaths": []}},
        {"HostConfig": {"ReadonlyPaths": []}},
        {"HostConfig": {"ReadonlyRootfs": False}},
        {"HostConfig": {"Devices": [{"PathOnHost": "/dev/mem"}]}},
        {"User": "0:0"},
        {"Labels": {}},
    ],
    ids=json.dumps,
)
def test_no_container_is_made_that_is_not_a_cell(proxy: Proxy, harm: dict[str, Any]) -> None:
    assert proxy.post("containers/create?name=cellblock-0123456789ab", _with(harm)) == 403


def test_a_name_cannot_be_hidden_by_an_escape_or_by_a_second_one(proxy: Proxy) -> None:
    cell = json.dumps(CELL)
    hidden = cell.replace('"HostConfig": {', '"HostConfig": {"Bin\\u0064s": ["/:/host"], ')
    twice = cell.removesuffix("}") + ', "User": "0:0"}'
    spaced = cell.removesuffix("}") + ', "User" :\n "0:0"}'
    for body in (hidden, twice, spaced):
        assert json.loads(body)
        assert proxy.post("containers/create?name=cellblock-0123456789ab", body) == 403


def test_a_cell_is_made_and_removed(proxy: Proxy) -> None:
    assert proxy.post("containers/create?name=cellblock-0123456789ab", json.dumps(CELL)) == 201
    assert proxy.call("GET", "containers/cellblock-0123456789ab/json") == 200
    assert proxy.call("DELETE", "containers/cellblock-0123456789ab?force=1") == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "containers/create"),
        ("POST", "containers/create?name=other"),
        ("GET", "containers/{redis}/json"),
        ("POST", "containers/{redis}/exec"),
        ("POST", "containers/{redis}/kill"),
        ("DELETE", "containers/{redis}?force=1"),
        ("GET", "containers/{redis}/logs?stdout=1"),
        ("POST", "containers/cellblock-0123456789ab/exec"),
        ("GET", "containers/cellblock-0123456789ab/archive?path=/"),
        ("GET", "containers/cellblock-0123456789ab/../{redis}/json"),
        ("POST", "images/create?fromSrc=-&repo=x"),
        ("POST", "images/load"),
        ("DELETE", "images/cellblock/bash:local"),
        ("POST", "build"),
        ("POST", "volumes/create"),
        ("GET", "secrets"),
        ("POST", "containers/prune"),
        ("POST", "networks/prune"),
        ("POST", "networks/cellblock_broker/connect"),
        ("DELETE", "networks/cellblock_broker"),
    ],
)
def test_nothing_else_is_let_through(deployment: Deployment, proxy: Proxy, method: str, path: str) -> None:
    redis_id = deployment.containers("redis")[0]
    assert proxy.call(method, path.format(redis=redis_id)) == 403


@pytest.mark.parametrize(
    "harm",
    [{"Name": "other"}, {"Internal": False}, {"Driver": "host"}, {"Ingress": True}],
)
def test_no_network_is_made_that_is_not_a_jobs_own(proxy: Proxy, harm: dict[str, Any]) -> None:
    own = {"Name": "cellblock-0123456789ab", "Driver": "bridge", "Internal": True}
    body = own | {"Labels": {"cellblock.owner": OWNER}} | harm
    assert proxy.post("networks/create", json.dumps(body)) == 403


def test_no_container_but_a_cell_joins_a_network(deployment: Deployment, proxy: Proxy) -> None:
    body = json.dumps({"Container": deployment.containers("redis")[0]})
    assert proxy.post("networks/cellblock-0123456789ab/connect", body) == 403


def test_the_configuration_that_old_starts_carried_is_not_let_through(proxy: Proxy) -> None:
    body = json.dumps({"Privileged": True})
    assert proxy.call("POST", "containers/cellblock-0123456789ab/start", body) == 403
    old = proxy.address.replace("v1.41", "v1.23")
    assert Proxy(old).call("POST", "containers/cellblock-0123456789ab/start") == 403


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
    """Asks the Prometheus of the profile `observability`; Grafana is in no Debian and not started."""
    deployment.compose("up", "--detach", "prometheus")
    yield lambda path: _answer(f"{deployment.prometheus_url}/api/v1/{path}")
    deployment.compose("rm", "--stop", "--force", "-v", "prometheus")


def test_prometheus_finds_the_worker_and_flower(prometheus: Callable[[str], Any]) -> None:
    wait_until(lambda: _scraped(prometheus("targets")) == {"cellblock", "flower"}, 60, "both are scraped")


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
    busy = wait_until(lambda: _all_busy(deployment.workers(app)), 30, "each of them has jobs")

    victim = next(iter(busy))
    killed = [f"cellblock.task={task_id}" for task_id in busy[victim]]
    deployment.engine.kill(victim.partition("@")[2], "SIGKILL")
    wait_until(lambda: not any(map(deployment.cells, killed)), 30, "its cells are gone")
    assert len(deployment.workers(app)) == 2

    app.control.revoke([job.id for job in jobs], terminate=True)
    assert send("echo alive", "bash").get(timeout=ANSWER_S)["stdout"] == "alive\n"


def _all_busy(workers: dict[str, list[str]]) -> dict[str, list[str]]:
    return workers if len(workers) == 3 and all(workers.values()) else {}


def _answer(url: str) -> Any:
    """What Prometheus says, or nothing while it starts."""
    try:
        answer = requests.get(url, timeout=5)
    except requests.ConnectionError:
        return None
    return answer.json()["data"] if answer.ok else None


def _scraped(targets: Any) -> set[str]:
    active = targets["activeTargets"] if targets else []
    return {target["labels"]["job"] for target in active if target["health"] == "up"}


def _evaluated(rules: Any) -> set[str]:
    """The alerts that stand in no error."""
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
