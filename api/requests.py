"""What a handler knows of its request: who calls, and what it holds until its answer is sent."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer

from api.callers import Caller
from api.parts import Parts
from api.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.budget import Share

__all__ = ["Call", "Calling", "Holding", "OwnJob"]

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token of the operator's file.")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Holding:
    """Middleware: what a request holds is given back once its answer is sent, or can't be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with ExitStack() as held:
            scope["state"]["held"] = held
            await self._app(scope, receive, send)


class Call:
    """A request whose caller is known."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.parts = cast("Parts", request.state.parts)
        self.caller: Caller = self.parts.callers.caller(request)

    def body_share(self) -> Share:
        """A share of the memory for bodies."""
        return self._held.enter_context(self.parts.bodies.share())

    def result_share(self) -> Share:
        """A share of the memory for results."""
        return self._held.enter_context(self.parts.results.share())

    def stay_open(self) -> None:
        """Count this request among those that stay open.

        Raises:
            Problem: the tenant has too many open.
        """
        self._held.enter_context(self.parts.open.one(self.caller))

    @property
    def _held(self) -> ExitStack:
        return cast("ExitStack", self.request.state.held)


async def _call(request: Request, documented: Annotated[object, Depends(_bearer)]) -> Call:
    del documented
    return Call(request)


#: A parameter of each handler that needs to know who calls.
Calling = Annotated[Call, Depends(_call)]


async def _own_job(
    call: Calling,
    job_id: Annotated[
        str, Path(alias="id", description="The id of a job.", json_schema_extra={"format": "uuid"})
    ],
) -> str:
    """The id of a job of this tenant. One of another tenant is answered as one that does not exist."""
    if not _ID.fullmatch(job_id) or not await call.parts.store.is_of(job_id, call.caller.tenant):
        raise Problem(404, "not-found", "There is no such job, or it is no longer known.")
    return job_id


#: A parameter of each handler of one job.
OwnJob = Annotated[str, Depends(_own_job)]
