"""The verdicts on a message."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import dumps

__all__ = ["JSON", "Call", "Dead", "Stray", "Verdict", "sealed"]

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """A call in the one form that Celery gets to see: its second protocol, as JSON, not compressed.

    `payload` is the value of `body`. A call that `is_refused` replaces a malformed message, so that no other
    consumer has to read that message.
    """

    headers: dict[str, Any]
    properties: dict[str, Any]
    payload: list[Any]
    body: bytes
    is_refused: bool = False

    @property
    def task_id(self) -> str:
        """The id of its task."""
        return str(self.headers["id"])


@dataclass(frozen=True, slots=True)
class Stray:
    """A call of another app's task, which no worker of ours runs. `task` is printable and short."""

    task: str


@dataclass(frozen=True, slots=True)
class Dead:
    """A message whose sender can't be answered. `reason` quotes no more of it than a `Junk` does."""

    reason: str


Verdict = Call | Stray | Dead


def sealed(call: Call, properties: dict[str, Any]) -> bytes:
    """The call in kombu's own envelope, with the properties that it got on delivery."""
    message = {
        "body": b64encode(call.body).decode(),
        "content-type": JSON,
        "content-encoding": "utf-8",
        "headers": call.headers,
        "properties": properties | {"body_encoding": "base64"},
    }
    return dumps(message).encode()
