"""Turns away messages that are no calls at all, before anything of Celery's trips over them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from celery.worker.strategy import default

from sandbox import InvalidJob

__all__ = ["guarded"]

_log = logging.getLogger("cellblock")

Handler = Callable[..., Any]


def guarded(task: Any, app: Any, consumer: Any, **options: Any) -> Handler:  # noqa: ANN401  Celery's own
    """Celery's own way from a message to a request, for messages that have the shape of a call.

    Any other ends as a failure with `InvalidJob`: Celery's event loop would die of it, give the message back,
    and the next worker would die of it too.
    """
    accept = default(task, app, consumer, **options)

    def take(message: Any, body: Any, ack: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        if body is not None or _is_call(message.payload):
            return accept(message, body, ack, *rest, **named)
        refusal = InvalidJob("The message is no call: its body is [arguments, named arguments, options].")
        app.backend.mark_as_failure(message.headers["id"], refusal)
        return ack(_log, consumer.connection_errors)

    return take


def _is_call(payload: object) -> bool:
    """Of Celery's protocol 2, a list of three; or 1, an object with the two."""
    if isinstance(payload, Mapping):
        args, kwargs = payload.get("args", ()), payload.get("kwargs", {})
    elif isinstance(payload, list | tuple) and len(payload) == 3:
        args, kwargs = payload[0], payload[1]
    else:
        return False
    return isinstance(args, list | tuple) and isinstance(kwargs, Mapping)
