"""The relay from a cell to its proxy: HAProxy on the loopback of the cell's network namespace.

Like every cell, the cell has no other network device, so no packet can leave it. The relay is a container of
ours that joins the cell's network namespace. It forwards connections to the proxy through a Unix socket in
`/dev/shm`, which the relay and the proxy share. The cell has no access to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.egress.companion import companion_profile

if TYPE_CHECKING:
    from sandbox.profile import Profile

__all__ = ["RELAY_END", "RELAY_READY", "proxy_environment", "relay_profile"]

_PORT = 3128
#: What the relay writes once it listens.
RELAY_READY = b"The relay listens"

# For each connection the proxy opens one to a host. The machine's table of connections (conntrack) keeps it
# for two minutes. So one job takes at most 6,000 of some 262,144 entries. Further connections wait.
_CONNECTIONS_PER_S = 50
_CONNECTIONS = 64
# Of each socket: cgroup v1 does not count socket buffers in the container's memory.
_BUFFER_BYTES = 64 << 10

_MEMORY_BYTES = 32 << 20

# When the worker ends, standard input ends, and so does the relay.
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
#: HAProxy's configuration in the proxy's container, which forwards from the socket to Squid.
RELAY_END = _configuration(f"{_SOCKET} mode 600", f"127.0.0.1:{_PORT}")


def relay_profile(*, cell: str, proxy: str, **about: Any) -> Profile:  # noqa: ANN401
    """The profile of the relay from container `cell` to container `proxy`.

    `about` is for `companion_profile`.
    """
    network, program = f"container:{cell}", [_PROGRAM, "relay", _ENTRANCE]
    profile = companion_profile(memory_bytes=_MEMORY_BYTES, network=network, program=program, **about)
    # The relay uses the namespaces of the cell and of the proxy. So it has no name and no sysctls of its own.
    return replace(profile, hostname=None, sysctls={}, ipc=f"container:{proxy}")


def proxy_environment() -> dict[str, str]:
    """The variables that tell programs of their proxy, in both spellings: some programs read only one."""
    url = f"http://127.0.0.1:{_PORT}"
    inner = "localhost,127.0.0.1"
    upper = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": inner}
    return upper | {name.lower(): value for name, value in upper.items()}
