"""The name of the task, the headers of its messages, and what a message shows of its call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config.tenants import is_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox import InvalidJob, QueueFull

__all__ = [
    "ACCEPTED",
    "FULL",
    "LIVE",
    "RECEIVED_AT",
    "REFUSAL",
    "SENT_AT",
    "TASK",
    "TENANT",
    "check_tenant",
    "queue_full",
    "refusal_in",
    "shown_call",
]


TASK = "cellblock.run_sandboxed"

#: Message headers, in Unix seconds: when the app sent the job, and when a worker took it.
SENT_AT = "cellblock_sent_at"
RECEIVED_AT = "cellblock_received_at"
#: Message header: why a message is no call, in one sentence. A worker replaces its content with this.
REFUSAL = "cellblock_refusal"
#: Message header: for whom the job is.
TENANT = "cellblock_tenant"
#: Message header: there was room for the job when it was sent.
ACCEPTED = "cellblock_accepted"
#: Message header: the job is refused because too many wait; the seconds after which there may be room.
FULL = "cellblock_full"
#: Message header: whether this job wants live output.
LIVE = "cellblock_live"


def shown_call(runtime: str, kwargs: Mapping[str, object]) -> dict[str, str]:
    """What logs, events and Flower show of a call: its runtime and argument names, never its contents."""
    return {"argsrepr": f"('…', {runtime!r})", "kwargsrepr": str(sorted(kwargs))}


def check_tenant(headers: Mapping[str, object]) -> None:
    """Raise InvalidJob if a message with these headers would name a malformed tenant."""
    if headers.get(TENANT) is not None and not is_tenant(headers[TENANT]):
        from sandbox import InvalidJob

        raise InvalidJob(
            f"{TENANT}: give 1 to 64 of the characters A-Z a-z 0-9 . _ @ - as the tenant's name."
        )


def queue_full(
    retry_after: float, *, is_tenants: bool | None = None, waiting: int | None = None
) -> QueueFull:
    """The error for a job that is too many. `is_tenants`: for its tenant alone; None: not known."""
    from sandbox import QueueFull

    bound = {
        None: "CELLBLOCK_MAX_QUEUED, CELLBLOCK_TENANT_MAX_QUEUED",
        False: "CELLBLOCK_MAX_QUEUED",
        True: "CELLBLOCK_TENANT_MAX_QUEUED",
    }[is_tenants]
    whose = " of this tenant" if is_tenants else ""
    count = "" if waiting is None else f": {waiting}"
    return QueueFull(
        f"As many jobs{whose} wait as the operator allows{count}"
        f" ({bound}). Try: send it again in {retry_after:g} s.",
        retry_after,
    )


def refusal_in(headers: Mapping[str, Any]) -> InvalidJob | QueueFull | None:
    """Why a worker must not run the job of a message with these headers. None: it may."""
    from sandbox import InvalidJob

    if headers.get(FULL) is not None:
        return queue_full(headers[FULL])
    return InvalidJob(headers[REFUSAL]) if headers.get(REFUSAL) else None
