"""Checks of compose.yaml and the Kubernetes manifests that need no running deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from config import load_settings
from config.celery_conf import celery_config
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
WORKER = yaml.safe_load((ROOT / "deploy/kubernetes/worker.yaml").read_text())
POD = WORKER["spec"]["template"]["spec"]
API, SERVICE = yaml.safe_load_all((ROOT / "deploy/kubernetes/api.yaml").read_text())
API_POD = API["spec"]["template"]["spec"]
AUTHENTICATION, SCALER = yaml.safe_load_all((ROOT / "deploy/kubernetes/scaler.yaml").read_text())
#: What kombu puts between the name of a queue and a priority.
SEPARATOR = "\x06\x16"


def test_a_stop_is_given_as_long_as_a_worker_may_need() -> None:
    needed_s = load_settings().stop_s
    grace = COMPOSE["services"]["worker"]["stop_grace_period"]
    assert int(grace.removeprefix("${STOP_GRACE:-").removesuffix("s}")) >= needed_s
    assert POD["terminationGracePeriodSeconds"] >= needed_s


def test_the_scaler_looks_at_every_list_of_every_queue_and_at_what_runs() -> None:
    conf = celery_config(load_settings())
    steps = conf["broker_transport_options"]["priority_steps"]
    lists = {f"{name}{SEPARATOR}{step}" if step else name for name in conf["task_queues"] for step in steps}
    watched = [trigger["metadata"]["listName"] for trigger in SCALER["spec"]["triggers"]]
    assert sorted(watched) == sorted(lists | {"unacked_index"})


def test_the_scaler_scales_the_workers_with_the_password_of_its_secret() -> None:
    assert SCALER["spec"]["scaleTargetRef"]["name"] == WORKER["metadata"]["name"]
    names = {trigger["authenticationRef"]["name"] for trigger in SCALER["spec"]["triggers"]}
    assert names == {AUTHENTICATION["metadata"]["name"]}
    assert {trigger["type"] for trigger in SCALER["spec"]["triggers"]} == {"redis"}


def test_nobody_but_keda_says_how_many_workers_there_are() -> None:
    assert "replicas" not in WORKER["spec"]


def test_the_selector_finds_the_workers_own_pods() -> None:
    labels = WORKER["spec"]["template"]["metadata"]["labels"]
    assert WORKER["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_service_finds_the_apis_own_pods_by_the_port_of_their_name() -> None:
    labels = API["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == API["spec"]["selector"]["matchLabels"] == labels
    (container,) = API_POD["containers"]
    assert SERVICE["spec"]["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}


def _containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each container with its pod."""
    for pod in (POD, API_POD):
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield pod, container


@pytest.mark.parametrize(
    ("pod", "container"), list(_containers()), ids=[one["name"] for _, one in _containers()]
)
def test_every_container_is_locked_down_and_mounts_what_there_is(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_the_worker_itself_mounts_nothing_of_its_node() -> None:
    of_the_node = {volume["name"] for volume in POD["volumes"] if "hostPath" in volume}
    (worker,) = POD["containers"]
    assert not of_the_node & {mount["name"] for mount in worker["volumeMounts"]}


ENTRIES = {one["name"]: one for pod in (POD, API_POD) for one in pod["containers"][0]["env"]}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES.keys())
def test_every_variable_is_a_setting_and_its_value_a_text(entry: dict[str, str]) -> None:
    field, known = entry["name"].removeprefix("CELLBLOCK_").lower(), type(load_settings()).model_fields
    assert {field, field.removesuffix("_file")} & known.keys()
    assert isinstance(entry["value"], str)


@pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=list(COMPOSE["services"]))
def test_every_service_is_locked_down(service: dict[str, Any]) -> None:
    assert (service["cap_drop"], service["read_only"]) == (["ALL"], True)
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=list(COMPOSE["services"]))
def test_nothing_is_published_beyond_this_host(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_only_the_proxy_has_the_engines_socket() -> None:
    with_socket = [
        name
        for name, service in COMPOSE["services"].items()
        if any("docker.sock" in volume for volume in service.get("volumes", []))
    ]
    assert with_socket == ["engine-proxy", "engine-proxy-next"]
    assert COMPOSE["networks"]["engine"] == {"internal": True}
