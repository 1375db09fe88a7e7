"""The requests that a worker makes from messages, and what they report to the broker and in events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from celery.concurrency.base import BasePool
from kombu import Message

from tasks import app, run_sandboxed
from tasks.request import JobRequest

if TYPE_CHECKING:
    from tasks.outline import Outline

__all__ = ["Watch", "request_of"]

# A worker makes this class in the same way, for each of its tasks.
_Request: Any = vars(import_module("celery.worker.request"))["create_request_cls"](
    JobRequest, app.tasks[run_sandboxed.name], BasePool(), "w@h", None, app=app
)


@dataclass
class Watch:
    """Records what a request reports."""

    enabled: bool = True
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def send(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))


def request_of(
    task_id: str,
    /,
    *args: object,
    headers: dict[str, Any] | None = None,
    outline: Outline | None = None,
    **kwargs: object,
) -> Any:
    """The request of a call that was just delivered. Its `watch` records what it reports."""
    watch = Watch()
    about: dict[str, Any] = {"lang": "py", "task": run_sandboxed.name, "id": task_id, "retries": 0} | (
        headers or {}
    )
    message: Any = Message(
        body=json.dumps([args or ("true", "bash"), kwargs, {}]),
        content_type="application/json",
        content_encoding="utf-8",
        headers=about,
        properties={},
    )
    message.accept = {"application/json"}
    message.delivery_info = {}
    if outline:
        message.outline = outline
    request: Any = _Request(
        message,
        app=app,
        task=app.tasks[run_sandboxed.name],
        hostname="w@h",
        eventer=watch,
        on_ack=lambda *_: watch.told.append("acknowledged"),
        on_reject=lambda *answer: watch.told.append(f"rejected, {answer[-1]}"),
    )
    request.watch = watch
    return request
