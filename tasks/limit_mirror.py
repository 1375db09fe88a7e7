"""Gives every message Celery time limits that mirror the limits of its job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.worker.request import Request

from sandbox import InvalidJob, parse_job
from tasks.sandbox_task import RECEIVED_AT
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from config import Ladder

__all__ = ["MirroredRequest"]

# Whole groups of base64, and as many bytes as a shebang may have.
_HEAD = 4 * 1024


class MirroredRequest(Request):
    """Sets the limits when the message arrives, from the job itself, whoever published it.

    So an app with nothing of ours installed gets them too, and nobody can publish longer ones.
    """

    def __init__(self, message: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        super().__init__(message, **options)
        self.request_dict.setdefault(RECEIVED_AT, time.time())
        rungs = _rungs(self.task, message.payload)
        self.time_limits = (rungs.hard_s, rungs.soft_s)


def _rungs(task: Any, payload: Any) -> Ladder:  # noqa: ANN401
    """The ladder of the job in a message; that of the longest job for a message that holds none."""
    settings = this_settings()
    try:
        first_protocol = isinstance(payload, dict)
        args, kwargs = (payload["args"], payload["kwargs"]) if first_protocol else payload[:2]
        request = _outline(task.bind_request(args, kwargs))
        job = parse_job(**request, settings=settings, catalogue=this_catalogue())
    except (InvalidJob, TypeError, ValueError, LookupError):
        return settings.longest
    return job.ladder(settings.margin)


def _outline(request: dict[str, object]) -> dict[str, object]:
    """The request with only the heads of its contents: this runs in the worker's event loop.

    What a job may take depends on no more of them, and the process that runs it checks them whole.
    """
    files = request.get("files")
    if isinstance(files, dict):
        files = {path: _head(content) for path, content in files.items()}
    return request | {"files": files, "stdin": None}


def _head(content: object) -> object:
    match content:
        case str():
            return content[:_HEAD]
        case {"base64": str(text)}:
            return {"base64": text[:_HEAD]}
        case _:
            return content
