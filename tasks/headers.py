"""The name of the task, the headers of its messages, and what a message shows of its call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIVE", "RECEIVED_AT", "REFUSAL", "SENT_AT", "TASK", "shown_call"]

TASK = "cellblock.run_sandboxed"

#: Message headers, in Unix seconds: when the app sent the job, and when a worker took it.
SENT_AT = "cellblock_sent_at"
RECEIVED_AT = "cellblock_received_at"
#: Message header: why a message is no call, in one sentence. A worker replaces its content with this.
REFUSAL = "cellblock_refusal"
#: Message header: whether this job wants live output.
LIVE = "cellblock_live"


def shown_call(runtime: str, kwargs: Mapping[str, object]) -> dict[str, str]:
    """What logs, events and Flower show of a call: its runtime and argument names, never its contents."""
    return {"argsrepr": f"('…', {runtime!r})", "kwargsrepr": str(sorted(kwargs))}
