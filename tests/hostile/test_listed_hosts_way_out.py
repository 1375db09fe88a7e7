"""The relay and the proxy of a job with a list of hosts: what they let through, and how they are removed."""

from __future__ import annotations

import re
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest

from config import load_settings
from sandbox import EngineFailed, Status
from sandbox.engines.docker.engine import DockerEngine
from sandbox.reaper import reap
from tests.conftest import OWNER, cells, running_cells
from tests.hostile.listed_hosts import DEAF, LISTED, listing_hosts
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Sandbox

pytestmark = pytest.mark.engine

_TABLE = Path("/proc/sys/net/netfilter/nf_conntrack_count")
# Other programs on this host may add up to this many entries meanwhile.
_OTHERS = 1000
FLOOD = """
import socket, time
until, sent = time.monotonic() + 2, 0
while time.monotonic() < until or sent < 20_000:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b'x', ('127.0.0.1', 3128)); sent += 1
print(sent)
"""
# The proxy allows a hundred connections at a time; each makes it open one to the host.
TUNNELS = """
import concurrent.futures, socket, time
begin = time.monotonic()
def open_tunnels(_):
    opened = 0
    while time.monotonic() < begin + 4:
        with socket.create_connection(('127.0.0.1', 3128)) as s:
            s.sendall(b'CONNECT api.example.com:443 HTTP/1.1\\r\\n\\r\\n')
            opened += b' 200 ' in s.recv(512)
    return opened
with concurrent.futures.ThreadPoolExecutor(64) as pool: opened = sum(pool.map(open_tunnels, range(64)))
print(opened / (time.monotonic() - begin + 1))
"""
# One connection to the proxy with many requests: each would make the proxy connect to the host.
REQUESTS = """
import socket
with socket.create_connection(('127.0.0.1', 3128)) as s:
    request = b'GET http://api.example.com/ HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n'
    s.sendall(request)
    first = s.makefile('rb').read()
print(first.count(b'HTTP/1.1 200'), b'Connection: close' in first)
"""
# Fills all buffers on the way to a host that never reads. The job's own buffers are kept small, because they
# are charged to the job.
FILL = """
import socket, time
full = []
for _ in range(60):
    s = socket.create_connection(('127.0.0.1', 3128))
    s.sendall(b'CONNECT api.example.com:9000 HTTP/1.1\\r\\n\\r\\n'); assert b' 200 ' in s.recv(512)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096); s.setblocking(False); full.append(s)
sent, until = 0, time.monotonic() + 6
while time.monotonic() < until:
    for s in full:
        try: sent += s.send(bytes(4096))
        except BlockingIOError: pass
print(sent)
"""


def _tcp_bytes() -> int:
    """The bytes that the kernel holds for all TCP connections of this host."""
    (held,) = re.findall(r"^TCP: .* mem (\d+)$", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return int(held) * resource.getpagesize()


def _remembered() -> int:
    """The number of entries in the host's connection table; 0 without a table."""
    return int(_TABLE.read_text()) if _TABLE.exists() else 0


def test_datagrams_leave_nothing_in_the_hosts_table_of_connections(listing: Sandbox) -> None:
    before = _remembered()
    result = listing.run(["python3", "-c", FLOOD], "python", network=[LISTED])
    assert int(result.stdout) >= 20_000, result.stderr
    assert _remembered() < before + _OTHERS


def test_a_job_gets_fifty_new_connections_a_second(listing: Sandbox) -> None:
    result = listing.run(["python3", "-c", TUNNELS], "python", network=[LISTED], timeout=60)
    assert result.status is Status.SUCCEEDED, result.stderr
    assert 10 < float(result.stdout) < 60


def test_a_connection_to_the_proxy_is_one_to_the_host(listing: Sandbox) -> None:
    result = listing.run(["python3", "-c", REQUESTS], "python", network=[LISTED])
    assert result.stdout == "1 True\n", result.stderr


def test_a_connection_of_a_job_that_has_ended_is_forgotten(listing: Sandbox, server: dict[str, str]) -> None:
    """The engine removes the proxy's address from the table when it removes the container."""
    before = _remembered()
    assert listing.run(["python3", "-c", TUNNELS], "python", network=[LISTED], timeout=60).exit_code == 0
    listing.settle()
    wait_until(lambda: _remembered() < before + _OTHERS, 15, "the connections are forgotten")


@pytest.fixture
def waiting(listing: Sandbox, engine: docker.APIClient) -> Iterator[dict[str, dict[str, Any]]]:
    """Gives the engine's description of the containers of a waiting job, by role."""
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(listing.run, "while [ ! -e ended ]; do sleep 0.1; done", network=[LISTED])
        try:
            wait_until(lambda: len(running_cells(engine)) == 3, 30, "cell, relay and proxy run")
            yield _parts(engine)
        finally:
            for cell in running_cells(engine):
                # When the first one is killed, the others end too.
                with suppress(docker.errors.APIError):
                    engine.kill(cell)
            job.exception()


def _parts(engine: docker.APIClient) -> dict[str, dict[str, Any]]:
    found = [engine.inspect_container(cell) for cell in cells(engine)]
    suffixes = {"-1": "relay", "-2": "proxy"}
    return {suffixes.get(one["Name"][-2:], "cell"): one for one in found}


def test_what_a_host_does_not_read_is_kept_within_bounds(listing: Sandbox) -> None:
    before, most = _tcp_bytes(), 0
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(listing.run, ["python3", "-c", FILL], "python", network=[DEAF], timeout=60)
        while not job.done():
            most = max(most, _tcp_bytes())
            wait([job], 0.1)
    assert int(job.result().stdout) > 10 << 20, job.result().stderr
    assert most - before < 100 << 20


def test_no_neighbour_reaches_a_jobs_proxy(waiting: dict[str, dict[str, Any]]) -> None:
    (network,) = waiting["proxy"]["NetworkSettings"]["Networks"].values()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((network["IPAddress"], 3128), 5)


def test_relay_and_proxy_are_labelled_as_their_cell_is(waiting: dict[str, dict[str, Any]]) -> None:
    marks = [f"cellblock.{mark}" for mark in ("owner", "task", "worker", "runtime", "state", "process")]
    written = {tuple(part["Config"]["Labels"][mark] for mark in marks) for part in waiting.values()}
    assert len(written) == 1
    assert all(float(part["Config"]["Labels"]["cellblock.deadline"]) for part in waiting.values())


def test_the_cell_has_no_part_in_what_relay_and_proxy_share(waiting: dict[str, dict[str, Any]]) -> None:
    shared = {name: part["HostConfig"]["IpcMode"] for name, part in waiting.items()}
    assert shared == {"cell": "private", "proxy": "shareable", "relay": f"container:{waiting['proxy']['Id']}"}
    assert not any(part["HostConfig"]["Binds"] or part["Mounts"] for part in waiting.values())
    assert waiting["cell"]["Config"]["NetworkDisabled"]


WORKER = """
from config import load_settings
from sandbox import Sandbox
with Sandbox(load_settings(pull="never", network_hosts="*.example.com")) as sandbox:
    sandbox.run("sleep 60", network=["api.example.com"], timeout=60)
"""


def test_a_worker_that_is_killed_leaves_nothing_running_and_all_of_it_to_the_reaper(
    engine: docker.APIClient, listing: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reaper of a worker of other tests must not take part.
    owner = f"{OWNER}-killed"
    monkeypatch.setenv("CELLBLOCK_OWNER", owner)
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT)
    wait_until(lambda: len(running_cells(engine, owner)) == 3, 30, "cell, relay and proxy run")
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(10) == -signal.SIGKILL
    wait_until(lambda: not running_cells(engine, owner), 15, "all of them end by themselves")
    assert len(reap(DockerEngine(load_settings()), load_settings())) == 3
    assert not cells(engine, owner)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("sandbox.egress.relay._ENTRANCE", "The relay of a job did not start: .*ALERT"),
        ("sandbox.egress.proxy.RELAY_END", "The proxy of a job did not start: .*ALERT"),
        ("sandbox.egress.proxy._BASE", "The proxy of a job did not start: .*FATAL"),
    ],
)
def test_a_part_that_does_not_start_says_why_and_leaves_nothing(
    listing: Sandbox, monkeypatch: pytest.MonkeyPatch, change: str, why: str
) -> None:
    monkeypatch.setattr(change, "nonsense here\n")
    begin = time.monotonic()
    with pytest.raises(EngineFailed, match=why):
        listing.run("true", network=[LISTED])
    assert time.monotonic() - begin < listing.settings.engine_margin


def test_an_image_without_the_relay_is_told_from_a_failure(
    listing: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.engines.docker.egress.PROXY_IMAGE", "cellblock/bash:local")
    with pytest.raises(EngineFailed, match="images build proxy"):
        listing.run("true", network=[LISTED])


def test_a_warm_cell_serves_a_job_with_a_list_of_hosts(server: dict[str, str]) -> None:
    ask = "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'GET http://api.example.com/ HTTP/1.0\\r\\n\\r\\n' >&3"
    with listing_hosts(server, "public", warm="bash=1") as warm:
        assert warm.warm_up(30)
        result = warm.run(["bash", "-c", f"{ask}; head -n 1 <&3; echo $HTTP_PROXY"], network=[LISTED])
    assert (result.warm, result.stdout.split()[1], result.stdout.split()[-1]) == (
        True,
        "200",
        "http://127.0.0.1:3128",
    )
