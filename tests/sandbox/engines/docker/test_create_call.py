"""Each line of the create call that makes a cell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox.engines.docker.create_call import container_config
from sandbox.gvisor import host_tasks
from sandbox.profile import by_operator
from sandbox.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from sandbox import Limits


@pytest.fixture
def body(limits: Limits) -> dict[str, Any]:
    return container_config(image="sha256:abc", limits=limits, labels={"k": "v"}, env={"A": "b"})


@pytest.fixture
def host_config(body: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = body["HostConfig"]
    return config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CapDrop", ["ALL"]),
        ("ReadonlyRootfs", True),
        ("IpcMode", "private"),
        ("CgroupnsMode", "private"),
        ("Memory", 64 << 20),
        ("MemorySwap", 64 << 20),
        ("ShmSize", 8 << 20),
        ("PidsLimit", 32),
        ("OomScoreAdj", 900),
        ("CpuPeriod", 100_000),
        ("CpuQuota", 150_000),
        ("LogConfig", {"Type": "none", "Config": {}}),
        ("RestartPolicy", {"Name": "no"}),
        ("KernelMemoryTCP", 32 << 20),
        ("BlkioDeviceReadBps", []),
    ],
)
def test_each_line_of_hardening_is_there(host_config: dict[str, Any], key: str, value: object) -> None:
    assert host_config[key] == value


@pytest.mark.parametrize(
    "key",
    [
        "Binds",
        "Mounts",
        "VolumesFrom",
        "Devices",
        "CapAdd",
        "Privileged",
        "PidMode",
        "NetworkMode",
        "UTSMode",
    ],
)
def test_nothing_opens_the_cell(host_config: dict[str, Any], key: str) -> None:
    assert key not in host_config


def test_a_cell_is_nobodys_and_has_no_network(body: dict[str, Any]) -> None:
    assert (body["User"], body["NetworkDisabled"], body["Tty"]) == ("65534:65534", True, False)


def test_a_network_comes_only_when_asked_for(limits: Limits) -> None:
    body = container_config(image="x", limits=limits, labels={}, env={}, network="bridge")
    assert body["NetworkDisabled"] is False


def test_a_closed_stdin_ends_the_cell_that_lost_its_worker(body: dict[str, Any]) -> None:
    assert (body["OpenStdin"], body["StdinOnce"]) == (True, True)


def test_an_images_health_check_does_not_run(body: dict[str, Any]) -> None:
    assert body["Healthcheck"] == {"Test": ["NONE"]}


def test_both_places_to_write_have_size_inodes_mode_and_owner(host_config: dict[str, Any]) -> None:
    room = "size=8388608,nr_inodes=2048,nosuid,nodev"
    assert host_config["Tmpfs"] == {
        "/workspace": f"rw,exec,{room},mode=0700,uid=65534,gid=65534",
        "/tmp": f"rw,noexec,{room},mode=1777,uid=65534,gid=65534",
    }


def test_ulimits_bound_each_process(host_config: dict[str, Any]) -> None:
    ulimits = {limit["Name"]: limit["Hard"] for limit in host_config["Ulimits"]}
    assert ulimits == {
        "core": 1,
        "nofile": 1024,
        "fsize": 8 << 20,
        "memlock": 65536,
        "msgqueue": 0,
        "cpu": 23,
    }
    assert all(limit["Soft"] == limit["Hard"] for limit in host_config["Ulimits"])


def test_a_connection_holds_little_and_so_does_one_that_has_ended(host_config: dict[str, Any]) -> None:
    assert host_config["Sysctls"] == {
        "kernel.sem": "250 32000 100 128",
        "net.ipv4.tcp_rmem": "4096 16384 65536",
        "net.ipv4.tcp_wmem": "4096 16384 65536",
        "net.ipv4.tcp_max_tw_buckets": "4096",
    }


def test_connections_to_other_hosts_keep_the_windows_that_distance_needs(limits: Limits) -> None:
    body = container_config(image="x", limits=limits, labels={}, env={}, network="bridge")
    assert list(body["HostConfig"]["Sysctls"]) == ["kernel.sem"]


def test_reads_from_a_disk_are_held_to_what_the_operator_says(limits: Limits) -> None:
    body = container_config(image="x", limits=limits, labels={}, env={}, disk_reads={"/dev/sda": 1 << 20})
    assert body["HostConfig"]["BlkioDeviceReadBps"] == [{"Path": "/dev/sda", "Rate": 1 << 20}]


def test_volumes_of_the_image_become_no_folders_on_the_hosts_disk(limits: Limits) -> None:
    body = container_config(image="x", limits=limits, labels={}, env={}, volumes=["/data"])
    assert body["HostConfig"]["Tmpfs"]["/data"] == "ro,size=4k"


def test_another_oci_runtime_is_one_setting(limits: Limits, host_config: dict[str, Any]) -> None:
    other = container_config(image="x", limits=limits, labels={}, env={}, oci_runtime="runsc")
    assert (other["HostConfig"]["Runtime"], "Runtime" in host_config) == ("runsc", False)


def test_a_cell_in_gvisor_may_have_more_tasks_on_the_host(limits: Limits) -> None:
    body = container_config(image="x", limits=limits, labels={}, env={}, oci_runtime="runsc")
    assert body["HostConfig"]["PidsLimit"] == host_tasks(limits.pids, "runsc") > limits.pids


def test_the_body_is_json_with_its_labels_and_environment(body: dict[str, Any]) -> None:
    again = json.loads(json.dumps(body))
    assert (again["Labels"]["k"], again["Image"]) == ("v", "sha256:abc")
    assert "A=b" in again["Env"]


def test_the_engine_takes_no_less_than_a_hundredth_of_a_core(limits: Limits) -> None:
    tiny = container_config(image="x", limits=replace(limits, cpus=0.001), labels={}, env={})
    assert tiny["HostConfig"]["CpuQuota"] == 1000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (
            "Env",
            ["HOME=/workspace", "XDG_CACHE_HOME=/tmp/.cache", "TMPDIR=/tmp", "LANG=C.UTF-8", "TZ=UTC", "A=b"],
        ),
        ("Cmd", []),
        ("WorkingDir", "/"),
        ("Hostname", "cell"),
        ("StopSignal", "SIGKILL"),
        ("AttachStdin", True),
        ("AttachStdout", True),
        ("AttachStderr", True),
    ],
)
def test_a_cell_is_set_up_alike_whatever_its_image_says(
    body: dict[str, Any], key: str, value: object
) -> None:
    assert body[key] == value


def test_nothing_but_the_supervisor_starts_and_the_engine_keeps_its_account(
    body: dict[str, Any], host_config: dict[str, Any]
) -> None:
    assert body["Entrypoint"] == ["/bin/sh", "-c", SUPERVISOR, "cell"]
    assert (host_config["AutoRemove"], host_config["Init"]) == (False, False)


def test_a_job_may_say_itself_where_its_home_is(limits: Limits) -> None:
    body = container_config(image="x", limits=limits, labels={}, env={"HOME": "/elsewhere"})
    assert body["Env"][0] == "HOME=/elsewhere"


def test_a_small_disk_has_a_thousand_inodes_all_the_same(limits: Limits) -> None:
    small = container_config(image="x", limits=replace(limits, disk_bytes=64 << 10), labels={}, env={})
    assert "size=65536,nr_inodes=1024," in small["HostConfig"]["Tmpfs"]["/workspace"]


def test_a_job_with_less_than_a_core_has_as_much_processor_time_as_its_time_is_long(limits: Limits) -> None:
    half = container_config(image="x", limits=replace(limits, cpus=0.5), labels={}, env={})
    (cpu,) = [one for one in half["HostConfig"]["Ulimits"] if one["Name"] == "cpu"]
    assert cpu["Hard"] == 17


def test_the_list_of_system_calls_is_the_cells_own(host_config: dict[str, Any]) -> None:
    no_new, seccomp = host_config["SecurityOpt"]
    assert no_new == "no-new-privileges:true"
    assert json.loads(seccomp.removeprefix("seccomp="))["defaultAction"] == "SCMP_ACT_ERRNO"


def test_what_the_operator_says_is_said_of_every_cell() -> None:
    settings = load_settings(oci_runtime="crun", disk_reads="/dev/sda=1m")
    assert by_operator(settings) == {"oci_runtime": "crun", "disk_reads": {"/dev/sda": 1 << 20}}
    assert by_operator(load_settings()) == {"oci_runtime": None, "disk_reads": {}}
