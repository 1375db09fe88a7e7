"""The relay and the proxy of a cell have the cell's profile, except for what their programs need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config import load_catalogue, load_settings
from sandbox.egress.proxy import proxy_profile
from sandbox.egress.relay import relay_profile
from sandbox.engines.docker.create_call import container_config, create_call
from sandbox.limits import resolve_limits

LIMITS = resolve_limits({}, load_catalogue()["bash"].limits, load_settings())
EVERY: dict[str, Any] = {"image": "i", "limits": LIMITS, "labels": {}, "oci_runtime": None}
RELAY = create_call(relay_profile(**EVERY, cell="cellblock-0", proxy="cellblock-0-2"))
PROXY = create_call(proxy_profile(**EVERY, exit_network="bridge", rules="rules"))
CELL = container_config(**EVERY, env={}, network="bridge")
OWN = {
    *("NetworkMode", "IpcMode", "Sysctls", "SecurityOpt"),
    *("Memory", "MemorySwap", "CpuQuota", "PidsLimit", "Tmpfs", "ShmSize", "Ulimits"),
}


@pytest.mark.parametrize("body", [RELAY, PROXY], ids=["relay", "proxy"])
def test_it_has_the_cells_profile(body: dict[str, Any]) -> None:
    differs = {name for name, value in CELL["HostConfig"].items() if body["HostConfig"].get(name) != value}
    assert differs <= OWN
    assert (body["User"], body["HostConfig"]["CapDrop"]) == ("65534:65534", ["ALL"])
    assert body["HostConfig"]["SecurityOpt"][0] == "no-new-privileges:true"


@pytest.mark.parametrize("body", [RELAY, PROXY], ids=["relay", "proxy"])
def test_its_list_of_system_calls_is_the_cells_but_for_what_sending_may_say(body: dict[str, Any]) -> None:
    def rules(of: dict[str, Any]) -> list[dict[str, Any]]:
        options: list[str] = of["HostConfig"]["SecurityOpt"]
        found: list[dict[str, Any]] = json.loads(options[1].removeprefix("seccomp="))["syscalls"]
        return found

    for own, cells in zip(rules(body), rules(CELL), strict=True):
        if "sendto" in own["names"] or "sendmsg" in own["names"]:
            assert own == {name: value for name, value in cells.items() if name != "args"}
        else:
            assert own == cells


def test_the_relay_joins_the_namespaces_of_others_and_changes_nothing_in_them() -> None:
    host = RELAY["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"]) == ("container:cellblock-0", "container:cellblock-0-2")
    assert "Sysctls" not in host
    assert "Hostname" not in RELAY


def test_the_proxy_has_no_ipv6_and_small_buffers() -> None:
    sysctls = PROXY["HostConfig"]["Sysctls"]
    assert sysctls["net.ipv6.conf.all.disable_ipv6"] == "1"
    assert int(sysctls["net.ipv4.tcp_rmem"].split()[-1]) <= 512 << 10
    assert int(sysctls["net.ipv4.tcp_wmem"].split()[-1]) <= 256 << 10


@pytest.mark.parametrize("configuration", [RELAY["Entrypoint"][-1], PROXY["Entrypoint"][-2]])
def test_the_relay_has_small_buffers_at_both_of_its_ends(configuration: str) -> None:
    said = dict(line.split(maxsplit=1) for line in configuration.splitlines() if " tune." in line)
    ends = {f"tune.{kind}.{side}" for kind in ("rcvbuf", "sndbuf") for side in ("client", "server")}
    assert said.keys() == ends
    assert {int(size) for size in said.values()} == {64 << 10}


@pytest.mark.parametrize(
    ("body", "memory_bytes"), [(RELAY, 32 << 20), (PROXY, 128 << 20)], ids=["relay", "proxy"]
)
def test_it_has_limits_of_its_own(body: dict[str, Any], memory_bytes: int) -> None:
    host = body["HostConfig"]
    share = host["CpuQuota"] / host["CpuPeriod"]
    assert (host["Memory"], host["PidsLimit"], share) == (memory_bytes, 16, 0.5)
