# Made by `python docs/generate.py` from config/address_text.py. Change it there.
"""Parses the address of a broker or a result backend. No error repeats what could be a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from cellblock.shared.address import Address, Kind, Tls

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse_address"]

# The kind, whether TLS is used, and the usual port. Valkey speaks Redis's protocol.
_SCHEMES = {
    "redis": (Kind.REDIS, False, 6379),
    "rediss": (Kind.REDIS, True, 6379),
    "valkey": (Kind.REDIS, False, 6379),
    "valkeys": (Kind.REDIS, True, 6379),
    "redis+socket": (Kind.SOCKET, False, 0),
    "unix": (Kind.SOCKET, False, 0),
    "sentinel": (Kind.SENTINEL, False, 26379),
    "sentinels": (Kind.SENTINEL, True, 26379),
    "amqp": (Kind.RABBITMQ, False, 5672),
    "pyamqp": (Kind.RABBITMQ, False, 5672),
    "amqps": (Kind.RABBITMQ, True, 5671),
}
_ALLOWED = "redis://, rediss:// (TLS), redis+socket://, sentinel:// and valkey://"
_EXAMPLE = "give an address with its scheme, such as redis://localhost:6379/0"
_ENCODE = "write : / ? # @ and % in a user or password as %3A %2F %3F %23 %40 and %25"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}", re.IGNORECASE)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[\w.-]+))(?::(?P<port>\d{1,5}))?", re.ASCII)
_TLS = {"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
_SENTINEL = {"master_name", "sentinel_username", "sentinel_password"}
_DATABASE = {"db", "virtual_host"}


def parse_address(text: str) -> Address:
    """The address that `text` gives.

    Raises:
        ValueError: the address can't be used. The message is a sentence that says what is allowed.
    """
    scheme, kind, secure, port = _scheme_of(text)
    rest = text[len(scheme) + 3 :]
    if any(ord(character) <= ord(" ") for character in rest):
        raise ValueError("there are spaces or control characters in the address")
    if kind in (Kind.SENTINEL, Kind.RABBITMQ):
        # Celery gives several hosts as several URLs, with semicolons between them.
        rest = re.sub(rf"(?:/[^@;?#]*)?;{scheme}://(?:[^@/;?#]*@)?", ",", rest)
    authority, path, query = _parts_of(rest)
    user, password, places = _login_of(authority)
    login: dict[str, Any] = {"user": user, "password": password}
    if kind is Kind.RABBITMQ:
        hosts = _hosts_of(places or "localhost", port)
        return Address(kind, hosts, **login, tls=Tls() if secure else None, raw=text)
    options = _options_of(query, kind, secure=secure)
    tls = _tls_of(options) if secure else None
    if kind is Kind.SOCKET:
        return _socket(places, path, options, login)
    hosts = _hosts_of(places or "localhost", port)
    if len(hosts) > 1 and kind is not Kind.SENTINEL:
        raise ValueError("there are several hosts; only sentinel:// takes more than one")
    return Address(
        kind, hosts, database=_database_of(path, options), **login, tls=tls, **_sentinel_of(options, kind)
    )


def _scheme_of(text: str) -> tuple[str, Kind, bool, int]:
    scheme, mark, _ = text.partition("://")
    if not mark or not _SCHEME.fullmatch(scheme):
        raise ValueError(_EXAMPLE)
    if "cluster" in scheme.lower():
        raise ValueError(f"a cluster of Redis servers cannot be used; allowed are {_ALLOWED}")
    try:
        return (scheme, *_SCHEMES[scheme.lower()])
    except KeyError:
        raise ValueError(
            f"{scheme}:// cannot be used; allowed are {_ALLOWED}, and amqp:// for the broker"
        ) from None


def _parts_of(rest: str) -> tuple[str, str, str]:
    """The parts before the first slash, after it, and after the question mark."""
    place, _, query = rest.partition("?")
    authority, slash, path = place.partition("/")
    # If a password has one of these characters, its end can't be found.
    if "#" in rest or "@" in path or "@" in query:
        raise ValueError(_ENCODE)
    return authority, slash + path, query


def _login_of(authority: str) -> tuple[str, str, str]:
    login, _, places = authority.rpartition("@")
    user, _, password = login.partition(":")
    return unquote(user), unquote(password), places


def _hosts_of(places: str, port: int) -> tuple[tuple[str, int], ...]:
    found = [_HOST.fullmatch(place) for place in places.split(",")]
    if not all(found):
        raise ValueError(f"its host or port makes no sense; {_ENCODE}")
    hosts = [(one["v6"] or one["name"], int(one["port"] or port)) for one in found if one]
    if any(number > 65535 for _, number in hosts):
        raise ValueError("its port is above 65535")
    return tuple(hosts)


def _options_of(query: str, kind: Kind, *, secure: bool) -> dict[str, str]:
    known = _DATABASE | (_TLS if secure else set()) | (_SENTINEL if kind is Kind.SENTINEL else set())
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.keys() & _TLS and not secure:
        raise ValueError("options of TLS need an address that begins with rediss:// or sentinels://")
    if options.keys() - known:
        raise ValueError(f"it has an unknown option; known are {', '.join(sorted(known))}")
    return options


def _tls_of(options: Mapping[str, str]) -> Tls:
    check = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if check not in ("required", "optional", "none"):
        raise ValueError("ssl_cert_reqs is one of required, optional and none")
    return Tls(
        check,
        options.get("ssl_ca_certs"),
        options.get("ssl_certfile"),
        options.get("ssl_keyfile"),
        check_hostname=options.get("ssl_check_hostname", "true").lower() not in ("false", "0", "no"),
    )


def _sentinel_of(options: Mapping[str, str], kind: Kind) -> dict[str, str]:
    if kind is not Kind.SENTINEL:
        return {}
    if not options.get("master_name"):
        raise ValueError("say which primary the Sentinels watch: sentinel://…/0?master_name=mymaster")
    names = {"sentinel_username": "sentinel_user"}
    return {names.get(name, name): options[name] for name in _SENTINEL & options.keys()}


def _socket(host: str, path: str, options: Mapping[str, str], login: Mapping[str, Any]) -> Address:
    if host or len(path) < len("/s"):
        raise ValueError("give the path of the socket, such as redis+socket:///run/redis/redis.sock?db=0")
    return Address(Kind.SOCKET, path=unquote(path), database=_database_of("", options), **login)


def _database_of(path: str, options: Mapping[str, str]) -> int:
    given = {part for part in (path.strip("/"), *(options.get(name, "") for name in _DATABASE)) if part}
    if len(given) > 1:
        raise ValueError("it names two databases; give the number once, as /3 or ?db=3")
    number = given.pop() if given else "0"
    if not re.fullmatch(r"[0-9]{1,5}", number):
        raise ValueError(f"the database is a number, such as /0; {_ENCODE}")
    return int(number)
