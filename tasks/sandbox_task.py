"""The base class of `run_sandboxed`: checks a request in the app, and routes, sends and refuses messages."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task

from config.tenants import is_tenant
from tasks.headers import ACCEPTED, RECEIVED_AT, SENT_AT, TENANT, check_tenant, refusal_in, shown_call

if TYPE_CHECKING:
    from celery.result import AsyncResult

__all__ = ["SandboxTask"]

# If a caller or a retry gives one of these options, it has already chosen where the message goes.
_WHERE = {"queue", "exchange", "routing_key"}


class SandboxTask(Task):  # type: ignore[type-arg]
    """Refuses a bad request in the caller's own process, and keeps commands and secrets out of logs."""

    Request = "tasks.request:JobRequest"
    # Celery's own check of arguments raises TypeError, which does not tell an app that its request is wrong.
    typing = False
    # Seconds until a job whose worker was lost is sent again; Celery's own default is three minutes.
    default_retry_delay = 1
    # The length that logs and events show of a result: its first keys, never its outputs.
    resultrepr_maxsize = 100

    @property
    def throws(self) -> tuple[type[Exception], ...]:  # type: ignore[override]
        """The errors that Celery logs in one line, with no traceback: they are the job's own fault."""
        from sandbox import JobError

        return (JobError,)

    def __call__(self, /, *args: object, **kwargs: object) -> Any:  # noqa: ANN401  Celery's own
        """Run the task in this process. `self` is positional-only, so that no message can pass it by name.

        Raises:
            InvalidJob: the message was no call.
            QueueFull: too many jobs wait.
        """
        if refusal := refusal_in(self.request.__dict__):
            raise refusal
        return self.run(*args, **kwargs)

    def apply_async(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        *positional: Any,  # noqa: ANN401  Celery's own
        **options: Any,  # noqa: ANN401
    ) -> AsyncResult[Any]:
        """Check the request and send the job.

        Raises:
            InvalidJob: the request is refused. One sentence says what is wrong.
            QueueFull: as many jobs wait as the operator allows. Try again after `retry_after` seconds.
            BrokerUnreachable: it could not be sent within `CELLBLOCK_PUBLISH_TIMEOUT` seconds.
        """
        from sandbox import parse_job
        from sandbox.request import bind_request
        from tasks.publishing import publish
        from tasks.settings import this_catalogue, this_settings

        request = bind_request(args or (), kwargs or {})
        job = parse_job(**request, settings=this_settings(), catalogue=this_catalogue())
        queue = this_settings().queue_of(job.runtime.name)
        if queue and not _WHERE & options.keys():
            options["queue"] = queue
        check_tenant(options.get("headers") or {})
        options["headers"] = {SENT_AT: time.time(), **(options.get("headers") or {})}
        if this_settings().bounds_queues:
            options["headers"][ACCEPTED] = True
        shown = shown_call(job.runtime.name, kwargs or {})
        send = partial(super().apply_async, args, kwargs, *positional)
        return publish(self.app, send, shown | options)

    @property
    def engine(self) -> str:
        """What jobs run on here: "docker", "oci" or "host"."""
        from tasks.settings import this_settings

        return this_settings().engine_name

    @property
    def tenant(self) -> str:
        """For whom this job is; empty if its message does not say."""
        tenant = self.request.get(TENANT)
        return str(tenant) if is_tenant(tenant) else ""

    def queued_s(self) -> float:
        """Seconds since the app sent the job, or since a worker took it, if the app did not say when."""
        since = self.request.get(SENT_AT) or self.request.get(RECEIVED_AT)
        return max(0.0, time.time() - since) if isinstance(since, int | float) else 0.0
