# Made by `python docs/generate.py` from config/address.py. Change it there.
"""The parsed address of a broker or a result backend, and its form for Celery."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cellblock.text_enum import StrEnum

__all__ = ["Address", "Kind", "Tls"]


class Kind(StrEnum):
    """The protocol at an address, and how the server is found."""

    REDIS = "redis"
    SOCKET = "redis+socket"
    SENTINEL = "sentinel"
    RABBITMQ = "amqp"


_CHECKS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


@dataclass(frozen=True, slots=True)
class Tls:
    """How a Redis is verified over TLS. The files are PEM. Without `ca_certs`, the system's CAs count."""

    cert_reqs: str = "required"
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    check_hostname: bool = True

    def options(self) -> dict[str, Any]:
        """The options by the names that redis-py, kombu and Celery use."""
        given = {"ca_certs": self.ca_certs, "certfile": self.certfile, "keyfile": self.keyfile}
        return {
            "ssl_cert_reqs": _CHECKS[self.cert_reqs],
            # Without a check of the certificate, the host name can't be checked either.
            "ssl_check_hostname": self.check_hostname and self.cert_reqs != "none",
            **{f"ssl_{name}": path for name, path in given.items() if path},
        }


@dataclass(frozen=True, slots=True)
class Address:
    """One address. Its text never holds a part that could be a password."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None
    master_name: str = ""
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)
    # The text of an address of RabbitMQ, which only kombu parses.
    raw: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The address for people and logs, with stars for its passwords."""
        login = f"{quote(self.user)}{':**' if self.password else ''}@" if self.user or self.password else ""
        if self.kind is Kind.RABBITMQ:
            return f"{self.scheme}://{login}{_joined(self.hosts)}"
        if self.kind is Kind.SOCKET:
            return f"{self.scheme}://{login}{self.path}?db={self.database}"
        name = f"?master_name={self.master_name}" if self.master_name else ""
        return f"{self.scheme}://{login}{_joined(self.hosts)}/{self.database}{name}"

    @property
    def is_redis(self) -> bool:
        """Whether the server is a Redis, however it is found."""
        return self.kind is not Kind.RABBITMQ

    @property
    def scheme(self) -> str:
        """The URL scheme of the address."""
        return self.kind + "s" * (self.tls is not None)

    @property
    def celery_url(self) -> str:
        """The address as kombu and Celery read it. Options give TLS and the name of the primary."""
        if self.kind is Kind.RABBITMQ:
            return self.raw
        if self.kind is Kind.SOCKET:
            return f"redis+socket://{self._login}{quote(self.path)}?virtual_host={self.database}"
        if self.kind is Kind.SENTINEL:
            return ";".join(self._host_url("sentinel", host) for host in self.hosts)
        return self._host_url(self.scheme, self.hosts[0])

    def sentinel_options(self, **timeouts: float) -> dict[str, Any]:
        """What kombu and Celery need besides the Sentinels' addresses. Empty if there are no Sentinels."""
        if self.kind is not Kind.SENTINEL:
            return {}
        login = {"username": self.sentinel_user, "password": self.sentinel_password}
        secured = {"ssl": True, **self.tls.options()} if self.tls else {}
        given = {name: text for name, text in login.items() if text}
        return {"master_name": self.master_name, "sentinel_kwargs": {**given, **secured, **timeouts}}

    @property
    def _login(self) -> str:
        if not (self.user or self.password):
            return ""
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"

    def _host_url(self, scheme: str, host: tuple[str, int]) -> str:
        return f"{scheme}://{self._login}{_joined((host,))}/{self.database}"


def _joined(hosts: tuple[tuple[str, int], ...]) -> str:
    return ",".join(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name, port in hosts)
