"""Who calls: the tenant of a bearer token, or anyone on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.caps import Caps
from api.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.tokens import TokenFile

__all__ = ["Caller", "Callers"]

_HERE = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a request is. Without tokens there is one tenant without a name, whose jobs name none."""

    tenant: str
    caps: Caps


class Callers:
    """Tells who calls by the tokens of a file; without one, only callers on this machine are let in."""

    def __init__(self, tokens: TokenFile | None) -> None:
        self._tokens = tokens

    @property
    def are_known(self) -> bool:
        """Whether a caller needs a token."""
        return self._tokens is not None

    def caller(self, request: Request) -> Caller:
        """Who sends a request.

        Raises:
            Problem: it has no valid token, or is not for a name of this machine.
        """
        if self._tokens is None:
            _check_host(request)
            return Caller("", Caps())
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        token = self._tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise Problem(
                401,
                "no-token",
                "The token is missing or not known. Send the header: Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )
        return Caller(token.tenant, token.caps)


def _check_host(request: Request) -> None:
    """Refuse what a web page elsewhere makes a browser send here under a name of that page's own."""
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _HERE:
        raise Problem(
            403, "bad-host", "Without tokens this API answers only to localhost. Try: http://127.0.0.1:PORT."
        )
