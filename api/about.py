"""What the API says of itself: its runtimes and its health."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from api.answers import Health, RuntimeList, json_response
from api.openapi_parts import problems
from api.outage import away
from api.requests import Calling
from sandbox.limits import RULES, resolve_limits
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from typing import Any

    from config import Runtime

__all__ = ["about"]

about = APIRouter()


@about.get(
    "/v1/runtimes",
    response_model=RuntimeList,
    response_description="The runtimes.",
    tags=["runtimes"],
    responses=problems(401),
)
async def runtimes(call: Calling) -> Response:
    """The runtimes that jobs may name."""
    del call
    return json_response(json.dumps({"runtimes": [_about(one) for one in this_catalogue().values()]}))


@about.get(
    "/healthz",
    response_model=Health,
    response_description="Redis answers.",
    tags=["health"],
    responses=problems(503),
)
async def healthz(request: Request) -> Response:
    """Whether the API can take jobs: Redis answers within two seconds. Needs no token."""
    if not await request.state.parts.health.is_well():
        raise away()
    return json_response('{"status": "ok"}')


def _about(runtime: Runtime) -> dict[str, Any]:
    limits = resolve_limits({}, runtime.limits, this_settings())
    return {
        "name": runtime.name,
        "aliases": list(runtime.aliases),
        "extensions": list(runtime.extensions),
        "limits": {rule.name: getattr(limits, rule.field) for rule in RULES},
    }
