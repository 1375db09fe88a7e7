"""Answers that say what is wrong, as RFC 9457 has them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROBLEM_TYPE", "URNS", "Problem", "problem_of", "title_of"]

#: The media type of a problem.
PROBLEM_TYPE = "application/problem+json"

#: What `type` may be, after `urn:cellblock:problem:`, and what it means.
URNS = {
    "bad-request": "the body is no JSON object, or was not sent in time",
    "bad-parameter": "a part of the address or a header has a value that is not allowed",
    "bad-host": "the API runs without tokens, and was not called as `localhost`",
    "no-token": "the token is missing or not known",
    "not-found": "there is nothing here, or nothing of this tenant",
    "method": "this address does not know the method",
    "too-large": "the body is larger than any job could use",
    "media-type": "the body is not `application/json`",
    "invalid-job": "the job is refused; `detail` is the sentence of `InvalidJob`",
    "other-body": "the `Idempotency-Key` was used before, with another body",
    "queue-full": "as many jobs wait as the operator allows",
    "too-many-open": "the tenant has too many streams and waits open",
    "blobs-full": "the blob store holds as much as the operator allows",
    "unavailable": "Redis does not answer, or the API has no room for this now",
    "internal": "a fault of the API; its log says more",
}


class Problem(Exception):
    """An answer that is no success. `urn` is a key of `URNS`; `detail` is one sentence for the caller."""

    def __init__(
        self, status: int, urn: str, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.urn = urn
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    @classmethod
    def later(cls, status: int, urn: str, detail: str, after_s: float = 1.0) -> Problem:
        """A problem that may be over in `after_s` seconds."""
        return cls(status, urn, detail, {"Retry-After": str(max(1, round(after_s)))})

    def response(self) -> Response:
        """The answer."""
        body = {
            "type": f"urn:cellblock:problem:{self.urn}",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(json.dumps(body), self.status, headers, PROBLEM_TYPE)


# As RFC 9110 has them, and later versions of Python.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


def title_of(status: int) -> str:
    """The name of a status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


_BY_STATUS = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type"}


def problem_of(error: HTTPException) -> Problem:
    """The problem for an error of the web framework's own."""
    urn = _BY_STATUS.get(error.status_code, "bad-request")
    sentence = {404: "There is nothing at this address.", 405: "This address does not know the method."}
    detail = sentence.get(error.status_code, str(error.detail))
    return Problem(error.status_code, urn, detail, error.headers)
