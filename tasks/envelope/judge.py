"""Judges a message: whether its task is ours, and whether its sender can be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.utils.json import dumps

from config.quoting import quoted
from tasks.envelope.body import is_json, read_body
from tasks.envelope.fields import clean_headers, clean_properties
from tasks.envelope.parts import Junk, Parts, open_message
from tasks.envelope.rules import ID, NAME, is_count, is_text
from tasks.envelope.verdict import Call, Dead, Stray, Verdict
from tasks.headers import REFUSAL, TASK

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["judge", "judge_parts"]

# The tasks that a worker runs: our own, and those that Celery itself sends to the same queue.
_OURS = frozenset({TASK, "celery.accumulate", "celery.backend_cleanup", "celery.chord_unlock"})
# The headers that a refused call keeps, so that a group or chord learns that this task has failed.
_KEPT = dict.fromkeys(("root_id", "parent_id", "group"), is_text) | {"group_index": is_count}


def judge(raw: bytes, most_bytes: int) -> Verdict:
    """Judge a message in kombu's own envelope, of at most `most_bytes`."""
    try:
        parts = open_message(raw, most_bytes)
    except Junk as junk:
        return Dead(str(junk))
    return judge_parts(parts, most_bytes)


def judge_parts(parts: Parts, most_bytes: int) -> Verdict:
    """Judge a message that is already split into its parts."""
    headers = parts.headers or {}
    if not isinstance(headers, dict):
        return Dead("its headers are no object")
    if stray := _stray(headers):
        return stray
    if "task" not in headers and isinstance(parts.content_type, str) and not is_json(parts):
        return Stray("a task that only its body names, which is no JSON")
    try:
        body = read_body(parts, most_bytes)
    except Junk as junk:
        return _refused(parts, headers, junk)
    headers = body.headers | headers
    if stray := _stray(headers):
        return stray
    try:
        return Call(clean_headers(headers), clean_properties(parts.properties), body.payload, body.content)
    except Junk as junk:
        return _refused(parts, headers, junk, body.payload[2])


def _stray(headers: Mapping[str, Any]) -> Stray | None:
    task = headers.get("task")
    return Stray(quoted(task)) if NAME(task) and task not in _OURS else None


def _refused(
    parts: Parts, headers: Mapping[str, Any], why: Junk, followers: dict[str, Any] | None = None
) -> Verdict:
    """A call that ends as a failure with the reason; or a dead message, if there is no valid task id."""
    task_id = headers.get("id")
    if not ID(task_id):
        return Dead(str(why))
    about = {name: headers[name] for name, rule in _KEPT.items() if rule(headers.get(name))}
    about |= {"lang": "py", "task": TASK, "id": task_id, REFUSAL: f"The message is no call: {why}."}
    try:
        properties = clean_properties(parts.properties)
    except Junk:
        properties = {"correlation_id": task_id}
    payload = [[], {}, followers or {}]
    return Call(about, properties, payload, dumps(payload).encode(), is_refused=True)
