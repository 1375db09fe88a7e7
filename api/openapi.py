"""The OpenAPI 3.1 document."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from api.answers import ProblemBody
from api.job_request import job_request_schema
from api.openapi_parts import problems
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["document"]

_TITLE = "cellblock"
_SUMMARY = "Runs untrusted commands in single-use, hardened containers."


@cache
def document(app: FastAPI, *, has_tokens: bool) -> dict[str, Any]:
    """The document of an app, with the limits and runtimes of this deployment."""
    about = get_openapi(
        title=_TITLE,
        version=metadata.version("cellblock"),
        summary=_SUMMARY,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    components = about["components"]
    components["schemas"] |= {
        "JobRequest": job_request_schema(this_settings(), this_catalogue()),
        "ProblemBody": ProblemBody.model_json_schema(),
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    if not has_tokens:
        components.pop("securitySchemes")
    for operation in (one for methods in about["paths"].values() for one in methods.values()):
        _correct(operation, has_tokens=has_tokens)
    return about


def _correct(operation: dict[str, Any], *, has_tokens: bool) -> None:
    """Drop an answer that the framework assumes. Without tokens, 403 takes the place of 401."""
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):
        del answers["422"]
    if not has_tokens and "401" in answers:
        del answers["401"], operation["security"]
        answers |= {str(status): answer for status, answer in problems(403).items()}
