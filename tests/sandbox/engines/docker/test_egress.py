"""The relay and the proxy of a job: how they start, and what happens when they do not start."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue, load_settings
from config.hosts import Host
from sandbox import EngineFailed
from sandbox.egress.proxy import PROXY_IMAGE, PROXY_READY, proxy_profile, squid_rules
from sandbox.egress.relay import RELAY_READY, proxy_environment, relay_profile
from sandbox.engines.docker.create_call import create_call
from sandbox.engines.docker.egress import _await_ready
from sandbox.engines.engine import egress_names
from sandbox.limits import resolve_limits
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    Streams = tuple[socket.socket, socket.socket]

LIMITS = resolve_limits({}, load_catalogue()["bash"].limits, load_settings())
EVERY: dict[str, Any] = {"image": "i", "limits": LIMITS, "labels": {"k": "v"}, "oci_runtime": "crun"}
RELAY = create_call(relay_profile(**EVERY, cell="cellblock-0", proxy="cellblock-0-2"))
PROXY = create_call(proxy_profile(**EVERY, exit_network="exit", rules="rules"))


@pytest.fixture
def streams() -> Iterator[Streams]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def framed(text: bytes) -> bytes:
    return b"\1\0\0\0" + len(text).to_bytes(4, "big") + text


def test_a_part_is_ready_when_it_says_so_in_whatever_pieces(
    streams: Streams,
) -> None:
    near, far = streams
    far.sendall(framed(b"a warning\nThe rel") + framed(b"ay listens.\n"))
    _await_ready("relay", near, RELAY_READY, 10)
    assert near.gettimeout() is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "it does not say why"),
        (b"all is well\n[ALERT] cannot bind\nThe relay has ended.\n", r"\[ALERT\] cannot bind"),
        (b"FATAL: no port\nThe proxy has ended.\n", "FATAL: no port"),
        (
            b"sh: haproxy: not found\nThe relay has ended.\n",
            "sh: haproxy: not found; try: cellblock images build proxy",
        ),
        (b"FATAL: " + 500 * b"x" + b"\nThe relay has ended.\n", "FATAL: x{193}\\.$"),
    ],
)
@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_part_that_ends_says_why(streams: Streams, said: bytes, why: str, *, hangs_up: bool) -> None:
    near, far = streams
    far.sendall(framed(said))
    if hangs_up:
        far.close()
    with pytest.raises(EngineFailed, match=f"^The relay of a job did not start: .*{why}"):
        _await_ready("relay", near, RELAY_READY, 0.3)


def test_a_part_that_never_says_anything_useful_is_given_up_in_time(
    streams: Streams,
) -> None:
    began = time.monotonic()
    with pytest.raises(EngineFailed, match="The proxy of a job did not start"):
        _await_ready("proxy", streams[0], PROXY_READY, 0.3)
    assert 0.29 < time.monotonic() - began < 5 * PATIENCE


def test_the_parts_of_a_way_out_are_called_after_their_cell() -> None:
    assert egress_names("cellblock-0") == ("cellblock-0-1", "cellblock-0-2")


def test_programs_learn_of_their_proxy_in_either_spelling() -> None:
    url, inner = "http://127.0.0.1:3128", "localhost,127.0.0.1"
    upper = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": inner}
    assert proxy_environment() == upper | {
        "http_proxy": url,
        "https_proxy": url,
        "no_proxy": inner,
    }


@pytest.mark.parametrize(
    ("body", "memory_mib", "network", "ipc"),
    [(RELAY, 32, "container:cellblock-0", "container:cellblock-0-2"), (PROXY, 128, "exit", "shareable")],
    ids=["relay", "proxy"],
)
def test_a_part_has_little_room(body: dict[str, Any], memory_mib: int, network: str, ipc: str) -> None:
    host = body["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (memory_mib << 20, memory_mib << 20)
    assert (host["CpuQuota"], host["PidsLimit"], host["ShmSize"]) == (50_000, 16, 1 << 20)
    assert (host["NetworkMode"], host["IpcMode"], host["Runtime"]) == (network, ipc, "crun")
    assert (body["Labels"], body["Image"], body["Entrypoint"][:2]) == ({"k": "v"}, "i", ["/bin/sh", "-c"])


@pytest.mark.parametrize(
    ("configuration", "bind", "server"),
    [
        (RELAY["Entrypoint"][-1], "127.0.0.1:3128", "unix@/dev/shm/proxy"),
        (PROXY["Entrypoint"][-2], "unix@/dev/shm/proxy mode 600", "127.0.0.1:3128"),
    ],
    ids=["relay", "proxy"],
)
def test_either_end_takes_64_connections_and_50_new_ones_a_second(
    configuration: str, bind: str, server: str
) -> None:
    lines = [line.strip() for line in configuration.splitlines()]
    assert {"maxconn 64", "rate-limit sessions 50", f"bind {bind}", f"server next {server}"} <= set(lines)


def test_the_proxy_is_ours_and_is_ready_when_squid_listens() -> None:
    assert (PROXY_IMAGE, PROXY_READY) == ("cellblock/proxy:local", b"Accepting HTTP Socket connections")


RULES = squid_rules([Host("b.example.com", (8443,)), Host("a.example.com"), Host("b.example.com", (1,))])
PRIVATE = next(line.split()[3:] for line in RULES.splitlines() if line.startswith("acl private dst"))


NOT_PUBLIC = """
    0.0.0.1 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1
    192.31.196.1 192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1
    203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_an_address_that_is_not_for_the_public_is_refused(address: str) -> None:
    assert any(ip_address(address) in ip_network(network) for network in PRIVATE)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "223.255.255.255"])
def test_one_that_is_public_is_not(address: str) -> None:
    assert not any(ip_address(address) in ip_network(network) for network in PRIVATE)


def test_each_host_is_allowed_by_its_own_ports_and_nothing_else_is() -> None:
    rules = [line for line in RULES.splitlines() if line.startswith(("acl", "http_access"))]
    assert [line for line in rules if not line.startswith("acl private")] == [
        "acl listed dstdomain -n a.example.com b.example.com",
        "acl addresses_v6 dst ipv6",
        "acl resolved dst 1.0.0.0-223.255.255.255",
        "http_access deny !listed",
        "acl host0 dstdomain -n b.example.com",
        "acl ports0 port 8443",
        "http_access allow host0 ports0 resolved !private !addresses_v6",
        "acl host1 dstdomain -n a.example.com",
        "acl ports1 port 80 443",
        "http_access allow host1 ports1 resolved !private !addresses_v6",
        "acl host2 dstdomain -n b.example.com",
        "acl ports2 port 1",
        "http_access allow host2 ports2 resolved !private !addresses_v6",
        "http_access deny all",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "http_port 127.0.0.1:3128",
        "cache deny all",
        "access_log none",
        "negative_dns_ttl 24 hours",
        "positive_dns_ttl 25 hours",
        "dns_timeout 5 seconds",
        "connect_timeout 10 seconds",
        "hosts_file none",
        "dns_defnames off",
        "via off",
        "forwarded_for delete",
        "cachemgr_passwd disable all",
        "max_filedescriptors 1000",
        "shutdown_lifetime 0 seconds",
    ],
)
def test_the_proxy_keeps_nothing_tells_nothing_and_waits_for_nothing_long(line: str) -> None:
    assert line in RULES.splitlines()
