"""Gives every message time limits that mirror its job's, and sees to jobs whose process has failed them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from sandbox import InvalidJob, parse_job
from tasks import last_rung
from tasks.sandbox_task import RECEIVED_AT, shown_call
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from sandbox import Job

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
        job = _job(self.task, message.payload)
        settings = this_settings()
        rungs = job.ladder(settings.margin) if job else settings.longest
        self.time_limits = (rungs.hard_s, rungs.soft_s)
        self._runtime = job.runtime.name if job else ""
        self._is_over = False
        # Those of the publisher may hold the whole command, and go to whoever watches.
        shown = shown_call(self._runtime, _arguments(message.payload)[1] if job else {})
        self._argsrepr, self._kwargsrepr = shown["argsrepr"], shown["kwargsrepr"]

    def info(self, safe: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002  Celery's own
        """What `celery inspect` and Flower are told, also where they ask for all of it."""
        return super().info(safe=True)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Called by Celery in the worker's event loop when the process has failed the job."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, TimeLimitExceeded):
            self._time_out()
            return
        if isinstance(error, WorkerLostError | SystemExit):
            last_rung.forget_lease(self)
            if self.request_dict.get("retries", 0) >= (self.task.max_retries or 0):
                exc_info = last_rung.abandoned((self.task.max_retries or 0) + 1)
        super().on_failure(exc_info, *args, **options)

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001  Celery's own
        """Called by Celery when a limit has passed; the hard one's news come by `on_failure` too."""
        if soft:
            super().on_timeout(soft, timeout)
        else:
            self._time_out()

    def terminate(self, pool: Any, signal: Any = None) -> None:  # noqa: ANN401
        """Have a running job end as cancelled, with its output, and not its process with everything."""
        if self.time_start is None or not last_rung.cancel(self.id):
            super().terminate(pool, signal)

    def _time_out(self) -> None:
        if not self._is_over:
            self._is_over = True
            task_ready(self)
            last_rung.time_out(self, self._runtime)
            self.acknowledge()


def _job(task: Any, payload: Any) -> Job | None:  # noqa: ANN401
    """The job in a message, if it holds one; else the limits of the longest job apply."""
    try:
        args, kwargs = _arguments(payload)
        request = _outline(task.bind_request(args, kwargs))
        return parse_job(**request, settings=this_settings(), catalogue=this_catalogue())
    except (InvalidJob, TypeError, ValueError, LookupError):
        return None


def _arguments(payload: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """The arguments in a message of Celery's first protocol, an object, or of its second, a list."""
    return (payload["args"], payload["kwargs"]) if isinstance(payload, dict) else (payload[0], payload[1])


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
