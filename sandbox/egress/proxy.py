"""The proxy of a job with a list of hosts: Squid in a container of its own, hardened like the cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.egress.companion import companion_profile
from sandbox.egress.relay import RELAY_END

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config.hosts import Host
    from sandbox.profile import Profile

__all__ = ["PROXY_IMAGE", "PROXY_READY", "proxy_profile", "squid_rules"]

#: Built from a recipe of our own, like the runtimes' images.
PROXY_IMAGE = "cellblock/proxy:local"
#: What Squid writes once it listens.
PROXY_READY = b"Accepting HTTP Socket connections"

_MEMORY_BYTES = 128 << 20

# When the worker ends, standard input ends, and so does the proxy. The worker reads the output only until
# Squid listens. Later output is discarded.
_PROGRAM = """
printf '%s\\n' "$1" >/tmp/relay.cfg
printf '%s\\n' "$2" >/tmp/squid.conf
{
  haproxy -D -f /tmp/relay.cfg 2>&1 && squid -N -d 1 -f /tmp/squid.conf 2>&1
  echo 'The proxy has ended.'
} | {
  while read -r line; do printf '%s\\n' "$line"; case $line in *Accepting\\ HTTP*) break ;; esac; done
  cat >/dev/null
} &
exec cat >/dev/null
"""

_SYSCTLS = {
    # The list of private addresses below covers IPv4 only.
    "net.ipv6.conf.all.disable_ipv6": "1",
    # Bounds the kernel's buffers of each connection: cgroup v1 does not count them in the container's memory.
    "net.ipv4.tcp_rmem": "4096 131072 524288",
    "net.ipv4.tcp_wmem": "4096 65536 262144",
}

# IPv4 addresses that are not public (IANA's special-purpose registry), and all multicast and reserved ones.
_PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
    *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    "224.0.0.0/3",
)

# Squid must connect to the same address that it has checked. So it keeps DNS answers as long as the proxy
# lives: negative_dns_ttl is the lower bound for successful answers, too.
_BASE = """
http_port 127.0.0.1:3128
pid_filename none
cache deny all
cache_mem 0
memory_pools off
access_log none
cache_log stdio:/dev/null
cache_store_log none
netdb_filename none
pinger_enable off
icp_port 0
htcp_port 0
snmp_port 0
coredump_dir /tmp
hosts_file none
dns_defnames off
dns_timeout 5 seconds
negative_dns_ttl 24 hours
positive_dns_ttl 25 hours
connect_timeout 10 seconds
forward_max_tries 2
client_persistent_connections off
forwarded_for delete
via off
httpd_suppress_version_string on
visible_hostname proxy
cachemgr_passwd disable all
max_filedescriptors 1000
shutdown_lifetime 0 seconds
"""


def squid_rules(hosts: Sequence[Host]) -> str:
    """The Squid configuration that lets a cell reach `hosts` at public addresses, and nothing else.

    A name that is not listed is refused before it is looked up: a DNS query would tell it to a name server.
    """
    return "\n".join([_BASE.strip(), *_rules(hosts), ""])


def _rules(hosts: Sequence[Host]) -> Iterator[str]:
    yield f"acl listed dstdomain -n {' '.join(sorted({host.name for host in hosts}))}"
    yield f"acl private dst {' '.join(_PRIVATE)}"
    yield "acl addresses_v6 dst ipv6"
    # A name that does not resolve now does not match `private`, but may match it a moment later.
    yield "acl resolved dst 1.0.0.0-223.255.255.255"
    yield "http_access deny !listed"
    for number, host in enumerate(hosts):
        yield f"acl host{number} dstdomain -n {host.name}"
        yield f"acl ports{number} port {' '.join(map(str, host.ports))}"
        yield f"http_access allow host{number} ports{number} resolved !private !addresses_v6"
    yield "http_access deny all"


def proxy_profile(*, exit_network: str, rules: str, **about: Any) -> Profile:  # noqa: ANN401
    """The profile of the proxy. `rules` is Squid's configuration; `about` is for `companion_profile`."""
    program = [_PROGRAM, "proxy", RELAY_END, rules]
    profile = companion_profile(memory_bytes=_MEMORY_BYTES, network=exit_network, program=program, **about)
    # The relay joins the namespace of its shared memory.
    return replace(profile, sysctls={**profile.sysctls, **_SYSCTLS}, ipc="shareable")
