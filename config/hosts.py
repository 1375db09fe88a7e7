"""Hosts that jobs may reach, as operators and jobs write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from config.quoting import quoted

__all__ = ["Host", "covers", "parse_host", "parse_patterns"]

# HTTP and HTTPS, where no port is given.
_WEB = (80, 443)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter, so that no form of an IP address is a name.
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_NAME_CHARACTERS = 253


@dataclass(frozen=True, slots=True)
class Host:
    """A name in DNS and the TCP ports that may be reached there; a pattern's name may begin with `*.`."""

    name: str
    ports: tuple[int, ...] = _WEB


def parse_host(text: str) -> Host:
    """The host that "api.example.com" or "api.example.com:8443" names; without a port, ports 80 and 443.

    Raises:
        ValueError: an address, a name without a dot, or no name at all.
    """
    name, colon, port = text.strip().lower().partition(":")
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS:
        raise ValueError(f"{quoted(text)} is no host such as api.example.com or api.example.com:8443")
    if not colon:
        return Host(name)
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65_535:
        raise ValueError(f"{quoted(text)}: the port is a number from 1 to 65535")
    return Host(name, (int(port),))


def parse_patterns(text: str) -> tuple[Host, ...]:
    """The patterns in a list with commas; `*.example.com` stands for every name below example.com.

    Raises:
        ValueError: one of them is malformed.
    """
    return tuple(_parse_pattern(part.strip()) for part in text.split(",") if part.strip())


def covers(patterns: Iterable[Host], host: Host) -> bool:
    """Whether any one pattern allows the host with all of its ports."""
    return any(_matches(one.name, host.name) and set(host.ports) <= set(one.ports) for one in patterns)


def _parse_pattern(text: str) -> Host:
    host = parse_host(text.removeprefix("*."))
    return Host(f"*.{host.name}", host.ports) if text.startswith("*.") else host


def _matches(pattern: str, name: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
