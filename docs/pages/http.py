"""The page about the HTTP API, from its OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from api.application import application
from api.callers import Callers
from api.metrics import Metrics
from api.openapi import document
from api.problems import PROBLEM_TYPE, URNS
from docs.pages.source import table

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["http_page"]

_HEAD = """# HTTP

The addresses of `cellblock api`. The API serves the same as OpenAPI 3.1 at `/openapi.json`, with this
deployment's maxima and runtimes. [Call it over HTTP](../how-to/call-over-http.md) shows how it is used. All
but `/healthz` and `/openapi.json` want the header `Authorization: Bearer TOKEN`.
"""

_JOB = """
## A job

"""

_PROBLEMS = """
## Problems

Every answer from 400 on is `application/problem+json` (RFC 9457), with `status`, `title`, `detail` for
people, and `type` for programs: `urn:cellblock:problem:` and one of these. With 429 and 503 comes
`Retry-After`, in seconds.

"""


def http_page() -> str:
    """A section for each address, then the shape of a job, then all problems."""
    app = application(Callers(None), asyncio.Event(), Metrics(), lambda app: app)
    about = document(app, has_tokens=True)
    sections = "".join(_section(*found) for found in _operations(about))
    job = about["components"]["schemas"]["Job"]["properties"]
    fields = [(f"`{name}`", one["description"]) for name, one in job.items()]
    urns = [(f"`{urn}`", meaning) for urn, meaning in URNS.items()]
    return (
        _HEAD
        + sections
        + _JOB
        + table(("key", "meaning"), fields)
        + _PROBLEMS
        + table(("`type`", "means"), urns)
    )


def _operations(about: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in about["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _section(title: str, operation: dict[str, Any]) -> str:
    parameters = [_parameter(one) for one in operation.get("parameters", ())]
    if "requestBody" in operation:
        (kind,) = operation["requestBody"]["content"]
        parameters.append(("body", f"`{kind}`: {_body(kind)}"))
    answers = [(status, _answer(about)) for status, about in sorted(operation["responses"].items())]
    asked = f"\n{table(('parameter', 'meaning'), parameters)}" if parameters else ""
    return f"\n## `{title}`\n\n{operation['description']}\n{asked}\n{table(('status', 'means'), answers)}"


def _parameter(about: dict[str, Any]) -> tuple[str, str]:
    schema = about["schema"]
    default = f" Default: `{str(schema['default']).lower()}`." if "default" in schema else ""
    most = f" At most {schema['maximum']:g}." if "maximum" in schema else ""
    where = {"query": "query", "header": "header", "path": "address"}[about["in"]]
    return f"`{about['name']}` ({where})", f"{about['description']}{most}{default}"


def _body(kind: str) -> str:
    return "[the arguments of a job](request.md)" if kind == "application/json" else "the bytes"


def _answer(about: dict[str, Any]) -> str:
    kinds = [kind for kind in about.get("content", {}) if kind not in (PROBLEM_TYPE, "application/json")]
    return f"{about['description']}{''.join(f' (`{kind}`)' for kind in kinds)}"
