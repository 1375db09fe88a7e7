"""A cell with a list of hosts reaches only its own proxy, with any protocol."""

from __future__ import annotations

import json
import socket
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox import Status
from tests.hostile.listed_hosts import LISTED, listing_hosts
from tests.hostile.listeners import GROUP, Listeners

if TYPE_CHECKING:
    import docker

    from sandbox import Sandbox

pytestmark = pytest.mark.engine

# Tries each way with each kind of address. Each message names both, so that the listeners can tell them.
KNOCK = """
import concurrent.futures, json, os, socket, struct, sys, time
port, addresses = json.loads(sys.argv[1])
with open('/proc/net/dev') as lines:
    devices = [line.split(':')[0].strip() for line in lines if ':' in line]
class Answered(Exception): pass
def opened(address, kind, protocol=0):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, kind, protocol)
    s.settimeout(1)
    if kind == socket.SOCK_DGRAM: s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return s
def past_routes(s, device):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
def udp(said, address, protocol=0):
    with opened(address, socket.SOCK_DGRAM, protocol) as s: s.sendto(said, (address, port))
def udp_past_routes(said, address):
    for device in devices:
        with opened(address, socket.SOCK_DGRAM) as s:
            past_routes(s, device); s.sendto(said, (address, port))
def udp_packet_information(said, address):
    for number in range(1, 16):
        with opened(address, socket.SOCK_DGRAM) as s:
            information = (socket.IPPROTO_IP, 8, struct.pack('=I4s4s', number, bytes(4), bytes(4)))
            try: s.sendmsg([said], [information], 0, (address, port))
            except OSError: pass
def udp_other_source(said, address):
    with opened(address, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, 15, 1); s.bind(('192.0.2.99', 0)); s.sendto(said, (address, port))
def udp_source_routed(said, address):
    with opened(address, socket.SOCK_DGRAM) as s:
        option = b'\\x83\\x07\\x04' + socket.inet_aton(address) + b'\\0'
        s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, option); s.sendto(said, (address, port))
def multicast(said, address):
    for number in range(1, 16):
        with opened(address, socket.SOCK_DGRAM) as s:
            choice = struct.pack('=4s4si', bytes(4), bytes(4), number)
            try:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, choice)
                s.sendto(said, (address, port))
            except OSError: pass
def tcp(said, address, protocol=0, device=None):
    with opened(address, socket.SOCK_STREAM, protocol) as s:
        if device: past_routes(s, device)
        s.connect((address, port)); s.sendall(said)
def dccp(said, address):
    with opened(address, 6, 33) as s: s.connect((address, port)); s.sendall(said)
def tcp_past_routes(said, address):
    for device in devices: tcp(said, address, device=device)
def tcp_fast_open(said, address):
    with opened(address, socket.SOCK_STREAM) as s: s.sendto(said, socket.MSG_FASTOPEN, (address, port))
def ping(said, address):
    with opened(address, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.sendto(struct.pack('!BBHHH', 8, 0, 0, 0, 1) + said, (address, 0)); s.recv(512)
        raise Answered
def raw(said, address, protocol):
    with opened(address, socket.SOCK_RAW, protocol) as s: s.sendto(said, (address, 0))
def header_included(said, address):
    with opened(address, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        datagram = struct.pack('!HHHH', port, port, 8 + len(said), 0) + said
        header = struct.pack('!BBHHHBBH4s4s', 69, 0, 20 + len(datagram), 0, 0, 64, 17, 0,
                             socket.inet_aton('192.0.2.99'), socket.inet_aton(address))
        s.sendto(header + datagram, (address, 0))
def frames(said, address):
    for device in devices:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((device, 0)); s.send(b'\\xff' * 6 + bytes(6) + b'\\x08\\x00' + said)
ways = {
    'UDP': udp, 'UDP past the routes': udp_past_routes, 'UDP by a chosen device': udp_packet_information,
    'UDP from another address': udp_other_source, 'UDP by a route of its own': udp_source_routed,
    'multicast by a chosen device': multicast, 'UDP-Lite': lambda *a: udp(*a, 136),
    'TCP': tcp, 'TCP past the routes': tcp_past_routes, 'TCP with its first word': tcp_fast_open,
    'MPTCP': lambda *a: tcp(*a, 262),
    'SCTP': lambda *a: tcp(*a, 132), 'DCCP': dccp,
    'ping': ping, 'raw ICMP': lambda *a: raw(*a, 1), 'raw UDP': lambda *a: raw(*a, 17),
    'raw with a false header': header_included, 'frames': frames,
}
def tried(way, kind, address):
    try: ways[way](f'{way}, {kind}'.encode(), address)
    except Exception as error: return type(error).__name__
    return 'sent'
knocks = [(way, kind, address) for way in ways for kind in addresses for address in addresses[kind]]
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    came = [[way, kind, got] for (way, kind, _), got in zip(knocks, pool.map(lambda k: tried(*k), knocks))]
time.sleep(0.5)
print(json.dumps(came))
"""
WAYS = (
    *("UDP", "UDP past the routes", "UDP by a chosen device", "UDP from another address"),
    *("UDP by a route of its own", "multicast by a chosen device", "UDP-Lite", "TCP", "TCP past the routes"),
    *("TCP with its first word", "MPTCP", "SCTP", "DCCP", "ping", "raw ICMP", "raw UDP"),
    *("raw with a false header", "frames"),
)
KINDS = (
    *("the host", "its loopback", "the engine's bridge", "another bridge", "a neighbour", "everybody"),
    *("a network's broadcast", "every host's multicast", "a group", "the host by IPv6", "every node by IPv6"),
)


def _addresses(engine: docker.APIClient, server: dict[str, str]) -> dict[str, list[str]]:
    """The addresses that a job might reach, by kind."""
    own = [address for of_one in psutil.net_if_addrs().values() for address in of_one]
    by_4 = [one for one in own if one.family == socket.AF_INET and not one.address.startswith("127.")]
    by_6 = [one.address.partition("%")[0] for one in own if one.family == socket.AF_INET6]
    names = ("bridge", f"{server['name']}-public", f"{server['name']}-private")
    subnets = [engine.inspect_network(name)["IPAM"]["Config"][0]["Subnet"] for name in names]
    gateways = [str(next(IPv4Network(subnet).hosts())) for subnet in subnets]
    found = (
        *([one.address for one in by_4], ["127.0.0.1"], gateways[:1], gateways[1:]),
        *([server["public"], server["private"]], ["255.255.255.255"]),
        *([one.broadcast for one in by_4 if one.broadcast], ["224.0.0.1"], [GROUP], by_6, ["ff02::1"]),
    )
    return dict(zip(KINDS, found, strict=True))


Came = tuple[set[str], list[list[str]]]


def _knock(sandbox: Sandbox, addresses: dict[str, list[str]], network: object) -> Came:
    """Run a job that tries everything. Gives what servers of this host received, and what the job reports."""
    with Listeners() as listeners:
        argv = ["python3", "-c", KNOCK, json.dumps([listeners.port, addresses])]
        result = sandbox.run(argv, "python", network=network, timeout=60)
    assert result.status is Status.SUCCEEDED, result.stderr
    return listeners.heard, json.loads(result.stdout)


@pytest.fixture(scope="module")
def knocked(listing: Sandbox, server: dict[str, str], engine: docker.APIClient) -> Came:
    return _knock(listing, _addresses(engine, server), [LISTED])


def test_nothing_at_all_is_heard_of_a_job(knocked: Came) -> None:
    assert knocked[0] == set()


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_heard_of_a_job_by(knocked: Came, way: str) -> None:
    heard, came = knocked
    assert way in {tried for tried, _, _ in came}
    assert not {said for said in heard if said.startswith(f"{way}, ")}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_heard_of_a_job_and_nothing_answers_it_at(knocked: Came, kind: str) -> None:
    heard, came = knocked
    answers = {way for way, tried, got in came if tried == kind and got == "Answered"}
    assert not {said for said in heard if said.endswith(f", {kind}")}
    assert answers <= ({"ping"} if kind == "its loopback" else set())  # this is the cell's own answer


def test_the_same_tries_are_heard_of_a_cell_with_a_network(
    server: dict[str, str], engine: docker.APIClient
) -> None:
    with listing_hosts(server, "public", network=True) as open_to_all:
        heard, _ = _knock(open_to_all, _addresses(engine, server), network=True)
    assert {
        *("UDP, the host", "TCP, the host", "UDP, the engine's bridge", "TCP, the engine's bridge"),
        *("UDP, everybody", "UDP, every host's multicast", "UDP, a network's broadcast"),
    } <= heard


def test_the_cell_has_a_loopback_and_no_route(listing: Sandbox) -> None:
    read = "cut -d: -f1 /proc/net/dev | tail -n +3; tail -n +2 /proc/net/route; tail -n +2 /proc/net/arp"
    assert listing.run(read, network=[LISTED]).stdout.split() == ["lo"]
