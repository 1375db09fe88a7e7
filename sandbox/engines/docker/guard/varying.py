"""Checks the values of a create call that vary: its labels, and the hosts that a proxy is made for."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from config.hosts import Host, covers, parse_host
from sandbox.egress.proxy import squid_rules
from sandbox.engines.docker.guard.call import Refused
from sandbox.labels import DEADLINE, LIMITS, OWNER
from sandbox.limits import read_limits
from sandbox.payload import is_text

if TYPE_CHECKING:
    from config import Settings
    from sandbox.limits import Limits

__all__ = ["check_labels", "check_rules", "limits_of"]

_NAME = re.compile(r"cellblock\.[a-z_]{1,32}")
_VALUE_CHARS = 4096
# The engine's clock may have been set since a worker read it. No clock is set by more than this.
_CLOCK_S = 86_400.0
_HOST = re.compile(
    r"^acl host\d+ dstdomain -n (?P<name>\S+)\nacl ports\d+ port (?P<ports>[\d ]+)$", re.MULTILINE
)
_HOSTS = 32


def check_labels(labels: object, settings: Settings) -> dict[str, str]:
    """The labels. They must be like those that this deployment's workers write.

    Raises:
        Refused: they are different, or their deadline is so late that no reaper would remove the container.
    """
    if not isinstance(labels, dict) or labels.get(OWNER) != settings.owner:
        raise Refused("the labels do not name this deployment as the owner")
    if not all(_NAME.fullmatch(name) and _is_value(value) for name, value in labels.items()):
        raise Refused("there are labels that no worker writes")
    if not _is_near(labels, settings):
        raise Refused(f"the label {DEADLINE} is no time, or too far away")
    return labels


def limits_of(labels: Mapping[str, str], settings: Settings) -> Limits:
    """The limits in the labels.

    Raises:
        Refused: there are none, or they exceed the operator's maxima.
    """
    try:
        limits = read_limits(labels.get(LIMITS, ""), settings)
    except (ValueError, OverflowError, RecursionError) as error:
        raise Refused(f"the label {LIMITS}: {str(error)[:100]}") from None
    if limits.text != labels[LIMITS]:
        raise Refused(f"the label {LIMITS} is not as a worker writes it")
    return limits


def check_rules(rules: str, settings: Settings) -> None:
    """Make sure that a proxy's rules are those for hosts that the operator allows, and for nothing else.

    Raises:
        Refused: they are different.
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


def _is_value(value: object) -> bool:
    """Whether `value` is text that every parser reads alike. A lone surrogate is not."""
    return isinstance(value, str) and len(value) <= _VALUE_CHARS and is_text(value)


def _is_near(labels: Mapping[str, Any], settings: Settings) -> bool:
    try:
        deadline = float(labels[DEADLINE])
    except (KeyError, ValueError):
        return False
    return deadline < time.time() + settings.longest.reap_s + settings.warm_age + _CLOCK_S
