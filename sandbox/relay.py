"""What leads from a cell to its proxy: HAProxy on the loopback of the cell's own network namespace.

The cell has no other device, as every cell; so there is nothing that a packet could leave by. The relay is a
container of ours that joined the namespace. What arrives there it takes to the proxy by a socket file in the
shared memory of the two (`/dev/shm`), which the cell has no part in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.companion import companion_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.limits import Limits

__all__ = ["RELAY_END", "RELAY_READY", "proxy_environment", "relay_request"]

_PORT = 3128
#: What it says once it listens.
RELAY_READY = b"The relay listens"

# Each connection becomes one of the proxy's to a host, which the host's table of connections (conntrack)
# remembers for two minutes: six thousand at most, of some 262,144. What is more waits its turn.
_CONNECTIONS_PER_S = 50
_CONNECTIONS = 64
# What the kernel holds of each: on cgroup v1 it counts as nobody's memory.
_BUFFER_BYTES = 64 << 10

_MEMORY_BYTES = 32 << 20

# Its standard input ends with its worker, and the relay with it.
_PROGRAM = """
printf '%s\\n' "$1" >/tmp/relay.cfg
haproxy -D -f /tmp/relay.cfg 2>&1 && echo 'The relay listens.' || echo 'The relay has ended.'
exec cat >/dev/null
"""

_SOCKET = "unix@/dev/shm/proxy"


def _configuration(bind: str, server: str) -> str:
    return f"""
global
    nbthread 1
    maxconn {_CONNECTIONS}
    tune.rcvbuf.client {_BUFFER_BYTES}
    tune.sndbuf.client {_BUFFER_BYTES}
    tune.rcvbuf.server {_BUFFER_BYTES}
    tune.sndbuf.server {_BUFFER_BYTES}
listen relay
    mode tcp
    bind {bind}
    server next {server}
    rate-limit sessions {_CONNECTIONS_PER_S}
    timeout connect 10s
    timeout client 24h
    timeout server 24h
"""


_ENTRANCE = _configuration(f"127.0.0.1:{_PORT}", _SOCKET)
#: The other end, for the proxy's container.
RELAY_END = _configuration(f"{_SOCKET} mode 600", f"127.0.0.1:{_PORT}")


def relay_request(
    *, image: str, limits: Limits, labels: Mapping[str, str], cell: str, proxy: str, oci_runtime: str | None
) -> dict[str, Any]:
    """The body of the engine's create call: the relay of the container `cell` to the container `proxy`."""
    body = companion_config(
        image=image,
        limits=limits,
        labels=labels,
        memory_bytes=_MEMORY_BYTES,
        network=f"container:{cell}",
        oci_runtime=oci_runtime,
        program=[_PROGRAM, "relay", _ENTRANCE],
    )
    del body["Hostname"]  # the engine takes none beside another container's network
    body["HostConfig"].pop("Sysctls", None)  # the namespaces are the cell's and the proxy's
    body["HostConfig"]["IpcMode"] = f"container:{proxy}"
    return body


def proxy_environment() -> dict[str, str]:
    """How programs learn of their proxy; some read one spelling, some the other."""
    url = f"http://127.0.0.1:{_PORT}"
    inner = "localhost,127.0.0.1"
    upper = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": inner}
    return upper | {name.lower(): value for name, value in upper.items()}
