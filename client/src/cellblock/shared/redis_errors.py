# Made by `python docs/generate.py` from tasks/redis_errors.py. Change it there.
"""Turns the errors of Redis and of its client libraries into one sentence that says what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cellblock.shared.address import Address

__all__ = ["explain_redis", "passes"]

_MOST = 200


class _Trouble(NamedTuple):
    """Texts that identify an error, what it means and how to mend it.

    `passes`: it may end by itself. `answers`: the Redis that was asked does answer.
    """

    signs: tuple[str, ...]
    says: str
    mend: str
    passes: bool = False
    answers: bool = True


# The first match applies.
_TROUBLES = (
    _Trouble(
        ("NOAUTH", "Authentication required"),
        "wants a password",
        "give it in {variable}: redis://:PASSWORD@host:6379/0, or by {variable}_FILE",
    ),
    _Trouble(
        ("without any password configured",),
        "has no password, and was given one",
        "leave it out of {variable}, or set requirepass",
    ),
    _Trouble(
        ("WRONGPASS", "invalid username-password", "invalid password", "ACCESS_REFUSED"),
        "refuses the user or the password",
        "check {variable}; special characters are percent-encoded",
    ),
    _Trouble(
        ("NOPERM", "no permissions"),
        "does not permit this user what cellblock needs ({text})",
        "give it the rights in docs/how-to/choose-a-broker.md",
    ),
    _Trouble(
        ("OOM", "maxmemory"),
        "is full (maxmemory) and takes nothing more",
        "raise maxmemory, or lower CELLBLOCK_RESULT_EXPIRES",
        passes=True,
    ),
    _Trouble(
        ("READONLY", "UNBLOCKED", "read only replica", "previous master is now a slave"),
        "is a replica, and takes no writes",
        "give the address of the primary, or that of the Sentinels (sentinel://)",
        passes=True,
    ),
    _Trouble(("LOADING",), "is loading its data", "wait for it", passes=True),
    _Trouble(
        ("max number of clients",),
        "has no connection left (maxclients)",
        "raise maxclients; a worker needs about 40, an app one for each thread",
        passes=True,
    ),
    _Trouble(
        ("MISCONF",),
        "cannot write to its disk, and takes no writes",
        "see its log, and the room on its disk",
        passes=True,
    ),
    _Trouble(("NOREPLICAS", "MASTERDOWN"), "misses its replicas or its primary", "start them", passes=True),
    _Trouble(
        ("No master found",),
        "has no primary that the Sentinels know and can reach",
        "check master_name, and redis-cli -p 26379 sentinel masters",
        passes=True,
        answers=False,
    ),
    _Trouble(
        ("MOVED", "CROSSSLOT", "CLUSTERDOWN", "ASK ", "Cluster mode", "cluster mode"),
        "is part of a cluster, which cannot be used",
        "use a single Redis, or one behind Sentinels (sentinel://)",
    ),
    _Trouble(
        ("DB index is out of range",),
        "has no database of this number",
        "give another one in {variable}, or raise databases in redis.conf",
    ),
    _Trouble(
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "certificate is not valid"),
        "shows a certificate that is not trusted",
        "name its authority: rediss://…?ssl_ca_certs=/path/ca.pem",
    ),
    _Trouble(
        ("CERTIFICATE_REQUIRED", "certificate required", "HANDSHAKE_FAILURE"),
        "wants a certificate of its clients",
        "name one: rediss://…?ssl_certfile=/path/cert.pem&ssl_keyfile=/path/key.pem",
    ),
    _Trouble(
        ("SSL", "TLS", "record layer"),
        "speaks no TLS",
        "redis:// instead of rediss://, or the port of TLS",
    ),
    _Trouble(
        ("Connection closed by server", "reset by peer", "Protocol Error"),
        "hung up",
        "rediss:// if it speaks TLS; else see its log",
        passes=True,
        answers=False,
    ),
)
_AWAY = _Trouble(
    (),
    "cannot be reached ({text})",
    "start it with redis-server, or set {variable}",
    passes=True,
    answers=False,
)


def explain_redis(error: BaseException, address: Address, variable: str = "CELLBLOCK_BROKER_URL") -> str:
    """The sentence for an error of the Redis at `address`, which `variable` gives."""
    found = _trouble(error)
    text = " ".join(str(error).split()).rstrip(".")[:_MOST]
    says, mend = found.says.format(text=text), found.mend.format(variable=variable)
    who = "Redis at" if address.is_redis else "The broker at"
    return f"{who} {address} {says}. Try: {mend}."


def passes(error: BaseException) -> bool:
    """Whether the error may end by itself, without a change to cellblock's settings."""
    return _trouble(error).passes


def _trouble(error: BaseException) -> _Trouble:
    told = " ".join(_told(error))
    return next((one for one in _TROUBLES if any(sign in told for sign in one.signs)), _AWAY)


def _told(error: BaseException) -> Iterator[str]:
    """The code and text of the error and of those that it wraps: Redis's own may be one of these."""
    one: BaseException | None = error
    while one is not None:
        yield f"{getattr(one, 'status_code', None) or ''} {one}"
        one = one.__cause__
