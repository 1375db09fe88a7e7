"""A job with a list of hosts reaches the listed test servers, and nothing else that it tries."""

from __future__ import annotations

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import ImageMissing, InvalidJob, Status
from tests.conftest import OWNER, cells
from tests.hostile.listed_hosts import LISTED, OTHER, listing_hosts
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker

    from sandbox import Sandbox

pytestmark = pytest.mark.engine

CLIENT = """
import concurrent.futures, http.client, json, os, socket, sys, urllib.request
proxy = os.environ['HTTP_PROXY'].removeprefix('http://').split(':')
def plain(url):
    return urllib.request.urlopen(url, timeout=5).read().decode()
def tunnel(host, port):
    connection = http.client.HTTPConnection(*proxy, timeout=5)
    connection.set_tunnel(host, int(port))
    connection.request('GET', '/')
    return connection.getresponse().read().decode()
def raw(request):
    with socket.create_connection((proxy[0], int(proxy[1])), 5) as s:
        s.sendall(request.encode() + b'\\r\\n\\r\\n')
        return s.makefile('rb').read().decode().rpartition('\\r\\n')[2]
def direct(host, port):
    with socket.create_connection((host, int(port)), 1): return 'reached'
def resolve(name):
    return socket.gethostbyname(name)
def ask(server, name):
    query = b'\\1\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0' + b''.join(
        bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\\0\\0\\1\\0\\1'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1); s.sendto(query, (server, 53))
        answer = s.recv(512)
        return 'resolved' if answer[7] else 'nothing'
def tried(how, *about):
    try: return globals()[how](*about)
    except Exception as error: return f'{type(error).__name__}: {error}'
ways = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(dict(zip(ways, pool.map(lambda way: tried(*way), ways.values())))))
"""
ENDS = """
import os, time, urllib.request
def reaches():
    try: return urllib.request.urlopen('http://api.example.com/', timeout=2).status == 200
    except OSError: return False
print(reaches(), flush=True)
until = time.monotonic() + 15
while reaches() and time.monotonic() < until: time.sleep(0.05)
print(reaches())
try: print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open('http://{address}/', timeout=1))
except OSError: print('no other way')
"""

Ways = dict[str, list[str]]


def tried(sandbox: Sandbox, ways: Ways) -> dict[str, str]:
    """The result of each way, tried in one cell that may reach the listed host."""
    argv = ["python3", "-c", CLIENT, json.dumps(ways)]
    result = sandbox.run(argv, "python", network=[LISTED, "gone.example.com"], timeout=60)
    assert result.status is Status.SUCCEEDED, result.stderr
    outcomes: dict[str, str] = json.loads(result.stdout)
    return outcomes


REACHED = {
    "by HTTP": ["plain", f"http://{LISTED}/"],
    "by a tunnel": ["tunnel", LISTED, "443"],
    "in capitals": ["plain", f"http://{LISTED.upper()}/"],
}
REFUSED = {
    "another host": ["plain", f"http://{OTHER}/"],
    "another host by a tunnel": ["tunnel", OTHER, "443"],
    "a name below": ["tunnel", f"x.{LISTED}", "443"],
    "a name above": ["tunnel", "example.com", "443"],
    "a name that ends alike": ["tunnel", f"evil{LISTED}", "443"],
    "another port": ["tunnel", LISTED, "8443"],
    "a mail port": ["tunnel", LISTED, "25"],
    "the user's part of a URL": ["plain", f"http://{LISTED}@{OTHER}/"],
    "its own address": ["plain", "http://{public}/"],
    "its own address by a tunnel": ["tunnel", "{public}", "443"],
    "its own address as one number": ["plain", "http://{number}/"],
    "a private address": ["tunnel", "{private}", "443"],
    "the metadata of a cloud": ["plain", "http://169.254.169.254/"],
    "the proxy's loopback": ["tunnel", "127.0.0.1", "443"],
    "the proxy's manager": ["raw", "GET /squid-internal-mgr/info HTTP/1.0"],
    "the proxy's manager by its scheme": ["raw", "GET cache_object://127.0.0.1/info HTTP/1.0"],
    "IPv6": ["tunnel", "[::1]", "443"],
    "a name that does not resolve": ["plain", "http://gone.example.com/"],
    "FTP": ["raw", f"GET ftp://{OTHER}/ HTTP/1.0"],
}
CLOSED = {
    "the host itself, past the proxy": ["direct", "{public}", "80"],
    "its private address": ["direct", "{private}", "80"],
    "a public address": ["direct", "192.0.2.1", "80"],
    "the metadata of a cloud, past the proxy": ["direct", "169.254.169.254", "80"],
    "the host by its name in the engine": ["direct", "host.docker.internal", "{port}"],
    "the host by the engine's bridge": ["direct", "172.17.0.1", "{port}"],
    "a name": ["resolve", LISTED],
    "another name": ["resolve", "example.org"],
    "the engine's name server": ["ask", "127.0.0.11", "example.org"],
    "a public name server": ["ask", "192.0.2.53", "example.org"],
    "the servers' own name": ["resolve", OTHER],
}


@pytest.fixture(scope="module")
def outcomes(listing: Sandbox, server: dict[str, str]) -> dict[str, str]:
    with socket.create_server(("0.0.0.0", 0)) as host:  # noqa: S104  every address of the host
        number = int(IPv4Address(server["public"]))
        facts = server | {"port": str(host.getsockname()[1]), "number": str(number)}
        ways = {
            name: [word.format(**facts) for word in way] for name, way in (REACHED | REFUSED | CLOSED).items()
        }
        return tried(listing, ways)


@pytest.mark.parametrize("way", REACHED)
def test_the_listed_host_is_reached(outcomes: dict[str, str], way: str) -> None:
    assert outcomes[way].lower().partition(":")[0] == LISTED


@pytest.mark.parametrize("way", REFUSED)
def test_the_proxy_refuses(outcomes: dict[str, str], way: str) -> None:
    assert re.search(r"403:? Forbidden|ERR_ACCESS_DENIED", outcomes[way])


@pytest.mark.parametrize("way", CLOSED)
def test_nothing_leads_past_the_proxy_to(outcomes: dict[str, str], way: str) -> None:
    assert outcomes[way] == "nothing" or outcomes[way].startswith(("TimeoutError", "OSError", "gaierror"))


def test_a_listed_name_with_a_private_address_is_refused(server: dict[str, str]) -> None:
    with listing_hosts(server, "private") as rebound:
        outcomes = tried(rebound, REACHED)
    assert all("403" in outcome for outcome in outcomes.values()), outcomes


def test_without_its_proxy_a_job_reaches_nothing(
    listing: Sandbox, server: dict[str, str], engine: docker.APIClient
) -> None:
    source = ENDS.replace("{address}", server["public"])
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(listing.run, ["python3", "-c", source], "python", network=[LISTED], timeout=60)
        proxy = wait_until(lambda: _proxies(engine), 30, "the proxy runs")
        wait_until(lambda: len(cells(engine)) == 3 or job.done(), 30, "the relay runs")
        wait_until(lambda: _has_spoken(engine, proxy[0]) or job.done(), 30, "the proxy was used")
        engine.kill(proxy[0])
        assert job.result().stdout == "True\nFalse\nno other way\n"


def _proxies(engine: docker.APIClient) -> list[str]:
    """The ids of the running proxies. Each is the second of the two containers behind a cell with a list."""
    found = engine.containers(filters={"label": f"cellblock.owner={OWNER}"})
    return [container["Id"] for container in found if container["Names"][0].endswith("-2")]


def _has_spoken(engine: docker.APIClient, proxy: str) -> bool:
    """Whether the proxy has sent more than the bytes of a connection's start."""
    networks: dict[str, Any] = engine.stats(proxy, stream=False).get("networks", {})
    return bool(sum(one["tx_bytes"] for one in networks.values()) > 2000)


@pytest.mark.parametrize(
    "asked",
    [
        *(["example.org"], ["example.com"], [f"{LISTED}:8443"], ["192.0.2.1"], ["2130706433"], ["localhost"]),
        *(["*.example.com"], [f"{LISTED}."], [f"{LISTED} {OTHER}"], [f"{LISTED}\nhttp_access allow all"]),
        *([7], "api.example.com", [LISTED] * 33),
    ],
    ids=str,
)
def test_what_the_operator_did_not_list_is_refused_at_once(listing: Sandbox, asked: object) -> None:
    with pytest.raises(InvalidJob, match="network"):
        listing.run("true", network=asked)


def test_an_empty_list_is_no_network(listing: Sandbox) -> None:
    assert listing.parse("true", "bash", network=[]).network is False


def test_without_its_image_no_job_gets_a_network(listing: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.engines.docker.egress.PROXY_IMAGE", "cellblock/none:local")
    with pytest.raises(ImageMissing, match="images build proxy"):
        listing.run("true", network=[LISTED])
