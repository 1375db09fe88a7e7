"""Celery's signatures in a message: the tasks that follow the message's own task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery.canvas import Signature

from tasks.envelope.rules import NAME, is_count, is_flag, is_moment, is_object, is_text, or_none

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["is_signature", "is_signatures"]


def is_signature(value: object) -> bool:
    """Whether Celery can make a signature of `value`, and send it."""
    if not isinstance(value, dict) or not NAME(value.get("task")):
        return False
    args, kwargs, options = (value.get(name) for name in ("args", "kwargs", "options"))
    if not isinstance(args, list) or not isinstance(kwargs, dict) or not isinstance(options, dict):
        return False
    if not all(rule(options[name]) for name, rule in _OPTIONS.items() if name in options):
        return False
    kind = value.get("subtask_type")
    return kind is None or (isinstance(kind, str) and kind in Signature.TYPES and _has_members(kind, kwargs))


def is_signatures(value: object) -> bool:
    """Whether `value` is a list of signatures."""
    return isinstance(value, list) and all(map(is_signature, value))


def _has_members(kind: str, kwargs: dict[str, object]) -> bool:
    match kind:
        case "group" | "chain":
            return is_signatures(kwargs.get("tasks"))
        case "chord":
            header = kwargs.get("header")
            return (is_signatures(header) or is_signature(header)) and is_signature(kwargs.get("body"))
        case _:
            task, members = kwargs.get("task"), kwargs.get("it")
            return (NAME(task) or is_signature(task)) and isinstance(members, list)


# The options of a later task that Celery reads in the worker that runs the task before it.
_OPTIONS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("task_id", "group_id", "root_id", "parent_id", "reply_to", "shadow"), or_none(is_text)),
    **dict.fromkeys(("queue", "exchange", "routing_key", "serializer", "compression"), or_none(is_text)),
    **dict.fromkeys(("link", "link_error", "chain"), or_none(is_signatures)),
    **dict.fromkeys(("eta", "expires", "countdown"), or_none(is_moment)),
    **dict.fromkeys(("retries", "group_index", "priority"), or_none(is_count)),
    **dict.fromkeys(("ignore_result", "immutable"), or_none(is_flag)),
    **dict.fromkeys(("headers", "stamps"), or_none(is_object)),
    "chord": or_none(is_signature),
}
