"""The proxy beside a cell with a list of hosts: Squid in a container of its own, hardened like the cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.profile import container_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from config.hosts import Host
    from sandbox.limits import Limits

__all__ = ["PORT", "PROXY_IMAGE", "READY", "proxy_environment", "proxy_request", "squid_rules"]

#: Built from a recipe of our own, like the runtimes' images.
PROXY_IMAGE = "cellblock/proxy:local"
PORT = 3128
#: What Squid says once it listens.
READY = b"Accepting HTTP Socket connections"

_MEMORY_BYTES = 128 << 20
_CPUS = 0.5
_PIDS = 16
_DISK_BYTES = 1 << 20

# Its standard input ends with its worker, and the proxy with it. Nobody reads on once it listens.
_PROGRAM = """
printf '%s\\n' "$1" >/tmp/squid.conf
{ squid -N -d 1 -f /tmp/squid.conf 2>&1; echo 'The proxy has ended.'; } | {
  while read -r line; do printf '%s\\n' "$line"; case $line in *Accepting\\ HTTP*) break ;; esac; done
  cat >/dev/null
} &
exec cat >/dev/null
"""

# IPv4 that is not for the public (IANA's special-purpose registry), and all that is multicast or reserved.
_PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
    *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    "224.0.0.0/3",
)

# What a name resolved to when it was judged is what is connected to, as long as the proxy lives: answers are
# kept that long, since negative_dns_ttl is the lower bound for good ones too.
_BASE = f"""
http_port {PORT}
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
client_persistent_connections on
forwarded_for delete
via off
httpd_suppress_version_string on
visible_hostname proxy
cachemgr_passwd disable all
max_filedescriptors 1000
shutdown_lifetime 0 seconds
"""


def squid_rules(hosts: Sequence[Host], subnet: str) -> str:
    """The configuration that lets a cell's `subnet` reach `hosts`, none by a private address, and no others.

    A name that nobody listed is refused before it is looked up: to ask for it would tell its name server.
    """
    return "\n".join([_BASE.strip(), *_rules(hosts, subnet), ""])


def _rules(hosts: Sequence[Host], subnet: str) -> Iterator[str]:
    yield f"acl cell src {subnet}"
    yield f"acl listed dstdomain -n {' '.join(sorted({host.name for host in hosts}))}"
    yield f"acl private dst {' '.join(_PRIVATE)}"
    yield "acl addresses_v6 dst ipv6"
    # A name that does not resolve now is not private, but may be a moment later.
    yield "acl resolved dst 1.0.0.0-223.255.255.255"
    yield "http_access deny !cell"
    yield "http_access deny !listed"
    for number, host in enumerate(hosts):
        yield f"acl host{number} dstdomain -n {host.name}"
        yield f"acl ports{number} port {' '.join(map(str, host.ports))}"
        yield f"http_access allow host{number} ports{number} resolved !private !addresses_v6"
    yield "http_access deny all"


def proxy_request(
    *,
    image: str,
    limits: Limits,
    labels: Mapping[str, str],
    exit_network: str,
    rules: str,
    oci_runtime: str | None,
) -> dict[str, Any]:
    """The body of the engine's create call: a cell's own profile, but for the program and the way out."""
    body = container_config(
        image=image,
        limits=replace(limits, memory_bytes=_MEMORY_BYTES, cpus=_CPUS, pids=_PIDS, disk_bytes=_DISK_BYTES),
        labels=labels,
        env={},
        network=exit_network,
        oci_runtime=oci_runtime,
    )
    # No IPv6: what is not for the public is known of IPv4 alone.
    body["HostConfig"]["Sysctls"] = {"net.ipv6.conf.all.disable_ipv6": "1"}
    return body | {"Entrypoint": ["/bin/sh", "-c", _PROGRAM, "proxy", rules]}


def proxy_environment(address: str) -> dict[str, str]:
    """How programs learn of their proxy; some read one spelling, some the other."""
    url = f"http://{address}:{PORT}"
    inner = "localhost,127.0.0.1"
    upper = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": inner}
    return upper | {name.lower(): value for name, value in upper.items()}
