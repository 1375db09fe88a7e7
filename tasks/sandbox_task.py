"""What makes `run_sandboxed` more than a function: checked where it is called, limited where it runs."""

from __future__ import annotations

import inspect
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from celery.result import AsyncResult

__all__ = ["RECEIVED_AT", "REFUSAL", "SENT_AT", "TASK", "SandboxTask", "shown_call"]

TASK = "cellblock.run_sandboxed"

#: Message headers, in Unix seconds: when the app sent the job, and when a worker took it.
SENT_AT = "cellblock_sent_at"
RECEIVED_AT = "cellblock_received_at"
#: Why a message was no call, in a sentence: a worker puts it in the place of whatever else was in it.
REFUSAL = "cellblock_refusal"


def shown_call(runtime: str, kwargs: Mapping[str, object]) -> dict[str, str]:
    """What logs, events and Flower show of a call: nothing of its contents."""
    return {"argsrepr": f"('…', {runtime!r})", "kwargsrepr": str(sorted(kwargs))}


# Options by which a caller, or a retry, has said already where the message goes.
_WHERE = {"queue", "exchange", "routing_key"}


class SandboxTask(Task):  # type: ignore[type-arg]
    """Refuses a bad request in the caller's own process, and keeps commands and secrets out of logs."""

    Request = "tasks.limit_mirror:MirroredRequest"
    # Celery's own check of arguments raises TypeError, which tells an app nothing about whose fault it is.
    typing = False
    # Seconds until a job whose worker was lost is sent again; Celery's own default is three minutes.
    default_retry_delay = 1
    # As much of a result as logs and events show: its first keys, never its outputs.
    resultrepr_maxsize = 100

    @property
    def throws(self) -> tuple[type[Exception], ...]:  # type: ignore[override]
        """The errors that Celery logs in one line, with no traceback: they are the job's own fault."""
        from sandbox import JobError

        return (JobError,)

    def __call__(self, /, *args: object, **kwargs: object) -> Any:  # noqa: ANN401  Celery's own
        """Run the task here; `self` is no argument that a message could carry.

        Raises:
            InvalidJob: its message was no call.
        """
        refusal = self.request.get(REFUSAL)
        if refusal:
            from sandbox import InvalidJob

            raise InvalidJob(refusal)
        return self.run(*args, **kwargs)

    def apply_async(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        *positional: Any,  # noqa: ANN401  Celery's own
        **options: Any,  # noqa: ANN401
    ) -> AsyncResult[Any]:
        """Send the job, if it is one.

        Raises:
            InvalidJob: with one sentence that says what is wrong.
            BrokerUnreachable: it could not be sent within `CELLBLOCK_PUBLISH_TIMEOUT` seconds.
        """
        from sandbox import parse_job
        from tasks.publishing import publish
        from tasks.settings import this_catalogue, this_settings

        request = self.bind_request(args or (), kwargs or {})
        job = parse_job(**request, settings=this_settings(), catalogue=this_catalogue())
        queue = this_settings().queue_of(job.runtime.name)
        if queue and not _WHERE & options.keys():
            options["queue"] = queue
        options["headers"] = {SENT_AT: time.time(), **(options.get("headers") or {})}
        shown = shown_call(job.runtime.name, kwargs or {})
        send = partial(super().apply_async, args, kwargs, *positional)
        return publish(self.app, send, shown | options)

    @property
    def engine(self) -> str:
        """What jobs run on here: "docker" or "host"."""
        from tasks.settings import this_settings

        return "docker" if this_settings().enable_docker else "host"

    def bind_request(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """The arguments of a call by name.

        Raises:
            InvalidJob: `cmd` is missing, given twice, or there are too many.
        """
        from sandbox import InvalidJob
        from sandbox.job import check_names

        try:
            bound = _SHAPE.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InvalidJob(f"run_sandboxed(cmd, runtime=None, *, …): {error}.") from None
        rest = bound.pop("rest", {})
        check_names(rest)
        return {**rest, **bound}

    def queued_s(self) -> float:
        """Seconds since the app sent the job; since a worker took it, where the app did not say when."""
        since = self.request.get(SENT_AT) or self.request.get(RECEIVED_AT)
        return max(0.0, time.time() - since) if isinstance(since, int | float) else 0.0


def _request(cmd: object, runtime: object = None, **rest: object) -> None:
    """The shape of a call."""


# Once: inspecting costs more than everything else that is done to a request.
_SHAPE = inspect.signature(_request)
