"""Clients that write the protocol by hand, to send what the SDK's client would not."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from tests.api.mcp.talking import mcp_env
from tests.preloaded import launcher
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BareClient", "bare_server", "call"]

HANDSHAKE: list[dict[str, Any]] = [
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
]


def call(command: str, number: int = 2) -> dict[str, Any]:
    """A call of the tool `run`."""
    params = {"name": "run", "arguments": {"command": command}}
    return {"id": number, "method": "tools/call", "params": params}


@contextmanager
def bare_server(
    broker_url: str, *messages: dict[str, Any], **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """A server over stdio that has got these messages, and no client of the SDK's."""
    process = subprocess.Popen(
        launcher("cli", "mcp"),
        cwd=ROOT,
        env=mcp_env(broker_url, **settings),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    for message in (*HANDSHAKE, *messages):
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@dataclass
class BareClient:
    """A client over HTTP. What it sends is answered at once, or it goes."""

    url: str
    token: str | None = None
    session_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, message: dict[str, Any] | bytes, *, stream: bool = False) -> requests.Response:
        """The answer to a message. With `stream`, only its head: the server has the message then."""
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.session_id:
            headers["Mcp-Session-Id"] = self.session_id
        data = message if isinstance(message, bytes) else json.dumps({"jsonrpc": "2.0", **message}).encode()
        return requests.post(self.url, data, headers=headers | self.headers, timeout=30, stream=stream)

    def open(self) -> requests.Response:
        """The answer to the first message of a session, whose id is kept."""
        first, second = HANDSHAKE
        answer = self.send(first)
        self.session_id = answer.headers.get("Mcp-Session-Id")
        if self.session_id:
            self.send(second)
        return answer
