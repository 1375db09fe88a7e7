"""Reads the hosts that a proxy is made for out of its rules, and checks them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from config.hosts import Host, covers, parse_host
from sandbox.egress.proxy import squid_rules
from sandbox.engines.docker.guard.refused import Refused

if TYPE_CHECKING:
    from config import Settings

__all__ = ["check_rules"]

_HOST = re.compile(
    r"^acl host\d+ dstdomain -n (?P<name>\S+)\nacl ports\d+ port (?P<ports>[\d ]+)$", re.MULTILINE
)
_HOSTS = 32


def check_rules(rules: str, settings: Settings) -> None:
    """Make sure that these are the rules for hosts that the operator allows, and for nothing else.

    Raises:
        Refused: they are not.
    """
    found = _HOST.findall(rules)
    try:
        hosts = [Host(parse_host(name).name, tuple(map(int, ports.split()))) for name, ports in found]
    except ValueError:
        raise Refused("the proxy's rules name something that is no host") from None
    if not 0 < len(hosts) <= _HOSTS or not all(covers(settings.allowed_hosts, host) for host in hosts):
        raise Refused("the proxy's rules name hosts that CELLBLOCK_NETWORK_HOSTS does not allow")
    if squid_rules(hosts) != rules:
        raise Refused("the proxy's rules say more than which hosts may be reached")
