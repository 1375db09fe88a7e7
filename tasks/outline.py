"""What the worker's main process knows of a job: enough for its time limits, or why it is refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sandbox import InvalidJob, QueueFull, parse_job
from sandbox.request import bind_request
from sandbox.runs.request import RUN_LIMITS
from tasks.headers import refusal_in
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from sandbox import Job

__all__ = ["Outline"]

_log = logging.getLogger("cellblock")

# A multiple of four, so that base64 stays valid. A shebang fits into it.
_HEAD = 4 * 1024


class Outline:
    """The job in a message, with only the beginning of each file, or the reason why it is refused.

    Without both, nothing can be told here: the limits of the longest job apply, and its process looks at it.
    """

    def __init__(self, payload: Any, headers: dict[str, Any]) -> None:  # noqa: ANN401
        self.job: Job | None = None
        self.refusal: InvalidJob | QueueFull | None = None
        try:
            self.job = _job_in(payload, headers)
        except (InvalidJob, QueueFull) as error:
            self.refusal = error


def _job_in(payload: Any, headers: dict[str, Any]) -> Job | None:  # noqa: ANN401
    """The job in a message. None if that can't be told: then the limits of the longest job apply.

    Raises:
        InvalidJob: the message was no call, or the request is refused.
        QueueFull: too many jobs wait.
    """
    if refusal := refusal_in(headers):
        raise refusal
    args, kwargs = payload[:2]
    whole = bind_request(args, kwargs)
    outline = _outline(whole)
    try:
        return parse_job(**outline, settings=this_settings(), catalogue=this_catalogue())
    except InvalidJob:
        if outline["files"] == whole.get("files"):
            raise
        # The whole files may be right: the pool process looks at them.
        return None
    except Exception as error:  # noqa: BLE001  the process that runs it meets the same, and dies of nothing
        _log.warning("The limits of a job can't be determined: %s", type(error).__name__)
        return None


def _outline(arguments: dict[str, object]) -> dict[str, object]:
    """The arguments of a job with only the beginning of each file: this runs in the worker's event loop.

    The limits depend on no more than that. The pool process checks the whole files.
    """
    files = arguments.get("files")
    if isinstance(files, dict):
        files = {path: _head(content) for path, content in files.items()}
    outline = arguments | {"files": files, "stdin": None}
    if isinstance(runs := arguments.get("runs"), list):
        outline["runs"] = [_run_outline(run) for run in runs]
    return outline


def _run_outline(run: object) -> object:
    """What the time limits of a job depend on in one of its runs."""
    if not isinstance(run, dict):
        return run
    return {name: run[name] for name in RUN_LIMITS if name in run}


def _head(content: object) -> object:
    match content:
        case str():
            return content[:_HEAD]
        case {"base64": str(text)}:
            return {"base64": text[:_HEAD]}
        case _:
            return content
