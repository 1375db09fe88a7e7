"""Who is let in over HTTP, and with how much at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from api.caps import Caps
from api.mcp.sessions import MOST_BODY_BYTES
from api.problems import Problem

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.mcp.sessions import Hosted, Sessions
    from api.tokens import TokenFile

__all__ = ["PATH", "Door"]

#: The only address.
PATH = "/mcp"


class Door:
    """An ASGI application. It lets in who has a token, or anyone on this machine if there are none."""

    def __init__(self, sessions: Sessions, tokens: TokenFile | None, tenant: str) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._tenant = tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request. While it lasts, its body counts as held by its caller."""
        try:
            hosted = await self._hosted(scope)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        with hosted.bodies.share() as share:
            try:
                share.take(_body_bytes(scope))
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
            await hosted.manager.handle_request(scope, receive, send)

    async def _hosted(self, scope: Scope) -> Hosted:
        if scope["path"].rstrip("/") != PATH:
            raise Problem(404, "not-found", f"There is nothing here. Try: {PATH}.")
        if self._tokens is None:
            return await self._sessions.of(None, self._tenant, Caps())
        token = self._tokens.find(_bearer(scope))
        if token is None:
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, "no-token", "The token is missing or not known.", headers)
        # Limits that are changed in the file count for new sessions.
        caller = (token.digest, token.tenant, str(token.caps))
        return await self._sessions.of(caller, token.tenant, token.caps)


def _bearer(scope: Scope) -> str:
    scheme, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _body_bytes(scope: Scope) -> int:
    """How many bytes a body may have. One without a length may have any."""
    said = Headers(scope=scope).get("content-length", "")
    if said.isascii() and said.isdigit():
        return min(int(said[:20]), MOST_BODY_BYTES)
    return MOST_BODY_BYTES if scope["method"] == "POST" else 0
