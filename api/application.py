"""Puts the API together: addresses, errors, middleware and the OpenAPI document."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from api.about import about
from api.blobs import blobs
from api.connection import HurriedReaders
from api.jobs import jobs
from api.openapi import document
from api.outage import away, note_outage
from api.page import page
from api.parts import open_parts
from api.problems import Problem, problem_of
from api.requests import Holding
from config.quoting import quoted
from sandbox import BlobsFull, CellblockError, InvalidJob, QueueFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp

    from api.callers import Callers
    from api.metrics import Metrics

__all__ = ["application"]


# Blobs expire, or are removed.
_FULL_S = 60.0


def application(
    callers: Callers, closing: asyncio.Event, metrics: Metrics, traced: Callable[[ASGIApp], ASGIApp]
) -> FastAPI:
    """The API for these callers. Streams and waits end when `closing` is set."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_parts(callers, closing) as parts:
            metrics.watch(parts.open)
            yield {"parts": parts}

    app = FastAPI(
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in (jobs, blobs, about, page):
        app.include_router(router)
    for error in (Problem, CellblockError, RedisError, OSError, HTTPException, RequestValidationError):
        app.add_exception_handler(error, _explain)
    app.add_exception_handler(Exception, _confess)
    for middleware in (Holding, metrics.middleware, traced, HurriedReaders):
        app.add_middleware(middleware)
    app.openapi = lambda: document(app, has_tokens=callers.are_known)  # type: ignore[method-assign]
    return app


async def _explain(request: Request, error: Exception) -> Response:
    response = _problem(error).response()
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
        response.headers["Allow"] = ", ".join(methods)
    return response


def _methods(request: Request) -> list[str]:
    """All methods of a documented address. The framework names only those of the first handler that fits."""
    for path, methods in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            return sorted(map(str.upper, methods))
    return []


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case InvalidJob():
            return Problem(422, "invalid-job", str(error))
        case BlobsFull():
            return Problem.later(429, "blobs-full", str(error), _FULL_S)
        case QueueFull():
            return Problem.later(429, "queue-full", str(error), error.retry_after)
        case RequestValidationError():
            return _of_parameter(error.errors()[0])
        case HTTPException():
            return problem_of(error)
    note_outage(error)
    return away()


def _of_parameter(error: Any) -> Problem:  # noqa: ANN401  pydantic's
    *_, name = error["loc"]
    return Problem(422, "bad-parameter", f"{quoted(name)}: {error['msg']}.")


async def _confess(_: Request, error: Exception) -> Response:
    """Starlette logs the error after this. The caller learns nothing of it."""
    del error
    return Problem(500, "internal", "The API failed. Its log says more.").response()
