# Made by `python docs/generate.py` from tasks/headers.py. Change it there.
"""The name of the task, the headers of its messages, and what a message shows of its call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellblock.shared.tenants import is_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["LIVE", "SENT_AT", "TASK", "TENANT", "check_tenant", "shown_call"]


TASK = "cellblock.run_sandboxed"

#: Message headers, in Unix seconds: when the app sent the job, and when a worker took it.
SENT_AT = "cellblock_sent_at"
#: Message header: for whom the job is.
TENANT = "cellblock_tenant"
#: Message header: whether this job wants live output.
LIVE = "cellblock_live"


def shown_call(runtime: str, kwargs: Mapping[str, object]) -> dict[str, str]:
    """What logs, events and Flower show of a call: its runtime and argument names, never its contents."""
    return {"argsrepr": f"('…', {runtime!r})", "kwargsrepr": str(sorted(kwargs))}


def check_tenant(headers: Mapping[str, object]) -> None:
    """Raise InvalidJob if a message with these headers would name a malformed tenant."""
    if headers.get(TENANT) is not None and not is_tenant(headers[TENANT]):
        from cellblock.shared.errors import InvalidJob

        raise InvalidJob(
            f"{TENANT}: give 1 to 64 of the characters A-Z a-z 0-9 . _ @ - as the tenant's name."
        )
