"""`run_sandboxed`, the task that workers run, for apps that take the addresses from the environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from cellblock.client import Cellblock
from cellblock.shared.headers import TASK
from cellblock.shared.request import bind_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from celery.canvas import Signature
    from typing_extensions import Unpack

    from cellblock.job import Job
    from cellblock.options import Command, Request

__all__ = ["RunSandboxed", "run_sandboxed"]


@cache
def _cellblock() -> Cellblock:
    """The client with the addresses of this process's environment."""
    return Cellblock()


class RunSandboxed:
    """The task `cellblock.run_sandboxed`, with the types of its arguments."""

    name = TASK

    def delay(
        self, cmd: Command | None = None, runtime: str | None = None, **request: Unpack[Request]
    ) -> Job:
        """Send a job; see `Cellblock.submit`."""
        return _cellblock().submit(cmd, runtime, **request)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401  Celery's own
    ) -> Job:
        """Send a job as Celery's method of this name does, with headers and options such as `countdown`.

        Raises:
            InvalidJob: the request is wrong, as far as that shows without the operator's settings.
            BrokerUnreachable: it could not be sent within five seconds.
        """
        request = bind_request(args, kwargs or {})
        cmd, runtime = request.pop("cmd"), request.pop("runtime", None)
        return _cellblock().send(cmd, runtime, request, headers or {}, **options)

    def s(
        self, cmd: Command | None = None, runtime: str | None = None, **request: Unpack[Request]
    ) -> Signature[Any]:
        """A signature for chains, groups and chords of the app's own Celery, which must use the same broker.

        Raises:
            InvalidJob: the request is wrong, as far as that shows without the operator's settings.
        """
        from celery import signature

        from cellblock.check import checked_request

        kwargs = checked_request(cmd, dict(request))
        return signature(TASK, args=(cmd, runtime), kwargs=kwargs, queue="cellblock")


run_sandboxed = RunSandboxed()
