"""Jobs that try to reach anything outside the cell: by name, address, socket file or other families."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import InvalidJob, Status

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

ADDRESSES = {
    "a public address": ("192.0.2.1", 80),
    "a name server": ("198.51.100.53", 53),
    "the metadata of a cloud": ("169.254.169.254", 80),
    "the metadata of containers": ("169.254.170.2", 80),
    "the engine's bridge": ("172.17.0.1", 2375),
    "a neighbour on the bridge": ("172.17.0.2", 80),
    "the host's Redis": ("127.0.0.1", 6379),
    "the engine by TCP": ("127.0.0.1", 2375),
    "a private range": ("10.0.0.1", 443),
    "broadcast": ("255.255.255.255", 80),
    "multicast": ("224.0.0.1", 80),
    "IPv6": ("2001:db8::1", 80),
    "IPv6 metadata": ("fd00:ec2::254", 80),
    "IPv6 loopback": ("::1", 6379),
    "IPv6 link-local": ("fe80::1", 80),
    "IPv4 in IPv6": ("::ffff:192.0.2.1", 80),
}
OWN = ("127.0.0.1", "::1")
NAMES = (
    "example.com",
    "metadata.google.internal",
    "host.docker.internal",
    "gateway.docker.internal",
    "redis",
)
TRY = """
import json, socket, sys
def tried(address, kind):
    family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    with socket.socket(family, kind) as s:
        s.settimeout(0.5)
        try:
            s.connect(tuple(address))
            s.send(b'x')
            return 'reached' if kind == socket.SOCK_STREAM else 'sent'
        except OSError as error: return type(error).__name__
addresses = json.loads(sys.argv[1])
print(json.dumps({kind.name: {n: tried(a, kind) for n, a in addresses.items()}
                  for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)}))
"""
RESOLVE = (
    "import socket\ntry: print(socket.getaddrinfo('{name}', 80))\nexcept socket.gaierror: print('unknown')"
)
LOOPBACK = """
import socket
with socket.create_server(('127.0.0.1', 0)) as server:
    client = socket.create_connection(server.getsockname())
    server.accept()[0].send(b'within')
    print(client.recv(9).decode())
"""
ABSTRACT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    if sys.argv[1] == 'listen':
        s.bind('\\0hostile'); s.listen(); s.settimeout(1.5)
        try: s.accept(); print('reached')
        except TimeoutError: print('alone')
    else:
        try: s.connect('\\0hostile'); print('reached')
        except ConnectionRefusedError: print('alone')
"""
SEGMENT = """
import ctypes, time
libc = ctypes.CDLL(None)
made = libc.shmget(4242, 4096, 0o3600)
print(made >= 0)
time.sleep(1)
libc.shmctl(made, 0, None)
"""
ADD_ADDRESS = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    device = struct.pack('16sHH4s8x', b'lo', socket.AF_INET, 0, bytes([10, 0, 0, 9]))
    try: fcntl.ioctl(s, 0x8916, device)
    except PermissionError: print('refused')
"""


@pytest.fixture(scope="module")
def reached(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    """Gives the result of TCP and of UDP for each address."""
    result = sandbox.run(["python3", "-c", TRY, json.dumps(ADDRESSES)], "python", timeout=30)
    answers: dict[str, dict[str, str]] = json.loads(result.stdout)
    return answers


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_reached_by_tcp_at(reached: dict[str, dict[str, str]], address: str) -> None:
    assert reached["SOCK_STREAM"][address] in {"OSError", "ConnectionRefusedError", "PermissionError"}


@pytest.mark.parametrize("address", [name for name, (host, _) in ADDRESSES.items() if host not in OWN])
def test_nothing_leaves_by_udp_to(reached: dict[str, dict[str, str]], address: str) -> None:
    assert reached["SOCK_DGRAM"][address] in {"OSError", "ConnectionRefusedError", "PermissionError"}


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_resolved(python: Python, name: str) -> None:
    assert python(RESOLVE.format(name=name), timeout=20).stdout == "unknown\n"


def test_the_loopback_inside_the_cell_works(python: Python) -> None:
    assert python(LOOPBACK).stdout == "within\n"


def test_the_loopback_is_the_only_device(sandbox: Sandbox) -> None:
    assert sandbox.run(
        "tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route"
    ).stdout.split() == ["lo"]


def test_no_address_can_be_given_to_a_device(python: Python) -> None:
    assert python(ADD_ADDRESS).stdout == "refused\n"


@pytest.mark.parametrize(
    "path", ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]
)
def test_the_engines_socket_is_not_there(python: Python, path: str) -> None:
    source = f"import socket; socket.socket(socket.AF_UNIX).connect('{path}')"
    assert "FileNotFoundError" in python(source).stderr


def test_no_abstract_socket_of_the_host_is_there(sandbox: Sandbox) -> None:
    assert "@" not in sandbox.run("cat /proc/net/unix").stdout


def test_two_cells_do_not_meet_on_an_abstract_socket(sandbox: Sandbox) -> None:
    def at(end: str) -> str:
        return sandbox.run(["python3", "-c", ABSTRACT, end], "python", timeout=20).stdout

    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(at, "listen")
        assert (at("connect"), listening.result()) == ("alone\n", "alone\n")


def test_the_namespace_of_shared_memory_is_not_the_hosts(sandbox: Sandbox) -> None:
    link = "/proc/self/ns/ipc"
    assert sandbox.run(f"readlink {link}").stdout not in ("", f"{Path(link).readlink()}\n")


def test_two_cells_share_no_segment_of_memory(python: Python) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(python, SEGMENT, timeout=20) for _ in range(2)]
        assert [job.result().stdout for job in both] == ["True\n", "True\n"]


@pytest.mark.parametrize("ask", [True, ["example.com"], "yes"], ids=["all", "hosts", "text"])
def test_a_job_can_t_give_itself_a_network(sandbox: Sandbox, ask: object) -> None:
    with pytest.raises(InvalidJob, match="network"):
        sandbox.run("true", network=ask)


def test_a_low_port_in_the_cell_harms_nobody(python: Python) -> None:
    with ThreadPoolExecutor(2) as pool:
        source = "import socket, time; s = socket.create_server(('', 8080)); time.sleep(0.5); print('mine')"
        both = [pool.submit(python, source) for _ in range(2)]
        assert [job.result().status for job in both] == [Status.SUCCEEDED] * 2
