"""The parts of the OpenAPI document that the web framework can't derive: bodies, events, problems."""

from __future__ import annotations

from typing import Any

from api.problems import PROBLEM_TYPE, title_of

__all__ = ["BLOB", "BLOB_BODY", "EVENTS", "JOB_BODY", "JOB_LINKS", "problems"]

_PROBLEM = {"$ref": "#/components/schemas/ProblemBody"}
_RETRY_AFTER = {
    "description": "Seconds after which to try again.",
    "schema": {"type": "integer", "minimum": 1},
}
_LOCATION = {"description": "The job.", "schema": {"type": "string"}}
_MEANS = {
    400: "The body is no JSON object.",
    401: "The token is missing or not known.",
    403: "The `Host` is no name of this machine.",
    404: "This tenant has nothing of this name.",
    408: "The body was not sent in time.",
    413: "The body is larger than any job could use.",
    415: "The body is not `application/json`.",
    422: "The job, a parameter or a header is refused. The sentence says why.",
    429: "Too much waits, is open, or is stored.",
    503: "Redis does not answer, or the API has no room now.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers with these statuses."""
    return {status: _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    headers = {"Retry-After": _RETRY_AFTER} if status in (429, 503) else {}
    return {
        "description": _MEANS[status],
        "content": {PROBLEM_TYPE: {"schema": _PROBLEM, "example": _example(status)}},
        **({"headers": headers} if headers else {}),
    }


_URN_OF = {
    400: "bad-request",
    401: "no-token",
    403: "bad-host",
    404: "not-found",
    408: "bad-request",
    413: "too-large",
}
_URN_OF |= {415: "media-type", 422: "invalid-job", 429: "queue-full", 503: "unavailable"}


def _example(status: int) -> dict[str, Any]:
    urn = f"urn:cellblock:problem:{_URN_OF[status]}"
    return {"type": urn, "title": title_of(status), "status": status, "detail": _MEANS[status]}


_JOB = {"schema": {"$ref": "#/components/schemas/Job"}}
_ID_OF_JOB = {"parameters": {"id": "$response.body#/id"}}

#: The answers to a job that was sent. Both lead on to the job.
JOB_LINKS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "headers": {"Location": _LOCATION},
        "content": {"application/json": _JOB},
        "links": {name: {"operationId": name, **_ID_OF_JOB} for name in ("look", "events", "cancel")},
    }
    for status, description in ((200, "The job is over."), (202, "The job waits or runs."))
}

#: The body of a request to send a job.
JOB_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobRequest"},
                "examples": {
                    "command": {
                        "value": {"cmd": "python -c 'print(6*7)'", "runtime": "python", "timeout": 5}
                    },
                    "files": {"value": {"files": {"main.py": "print(input())"}, "stdin": "hello"}},
                },
            }
        },
    }
}

_EVENT = {
    "title": "Event",
    "description": "One event. `data` is a JSON object: `text`, `time`, `skipped_bytes`, `status`…",
    "type": "object",
    "properties": {
        "id": {"type": "string", "examples": ["1700000000001-0"]},
        "event": {"enum": ["start", "stdout", "stderr", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
_EXAMPLE = (
    'retry: 1000\n\nid: 1700000000000-0\nevent: start\ndata: {"time": 1700000000.0, "attempt": "1"}\n\n'
    'id: 1700000000001-0\nevent: stdout\ndata: {"time": 1700000000.1, "text": "42\\n"}\n\n'
    'id: end\nevent: end\ndata: {"status": "succeeded"}\n\n'
)

#: The answers of a stream of events.
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `start`, `stdout`, `stderr` and `end`. Each has a JSON object as its data.",
        "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
    },
    204: {"description": "You have got the last event: do not connect again."},
}

_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

#: The body of a request to store a blob, where none is an empty content; and the answer with one.
BLOB_BODY: dict[str, Any] = {"requestBody": {"required": False, "content": _BYTES}}
BLOB: dict[int | str, dict[str, Any]] = {200: {"description": "The content.", "content": _BYTES}}
