"""A running MCP server, and a client of it: the SDK's own."""

from __future__ import annotations

import base64
import os
import re
import secrets
import struct
import zlib
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
from anyio import to_thread
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.preloaded import Running, launcher, start
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from mcp.types import CallToolResult

__all__ = [
    "HttpServer",
    "Session",
    "mcp_env",
    "png",
    "running_http",
    "session_over_http",
    "session_over_stdio",
    "until",
]

_START_S, _STOP_S = 30.0, 20.0


@dataclass
class Answer:
    """What a tool has answered."""

    text: str
    images: list[bytes]
    facts: dict[str, Any]
    is_error: bool

    @classmethod
    def of(cls, result: CallToolResult) -> Answer:
        texts = [one.text for one in result.content if one.type == "text"]
        images = [base64.b64decode(one.data) for one in result.content if one.type == "image"]
        return cls("\n".join(texts), images, result.structured_content or {}, result.is_error)


@dataclass
class Session:
    """One session of a client. Each call notes the progress that was reported."""

    client: Client
    progress: list[tuple[float, str]] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """What a tool answers."""
        return Answer.of(await self.client.call_tool(tool, arguments, progress_callback=self._note))

    async def run(self, command: str, **arguments: Any) -> Answer:
        """What a command in bash gives."""
        return await self.call("run", command=command, **arguments)

    async def stdout(self, command: str, **arguments: Any) -> str:
        """What a command writes, which must succeed."""
        answer = await self.run(command, **arguments)
        assert answer.facts.get("status") == "succeeded", answer
        return str(answer.facts["stdout"])

    async def _note(self, progress: float, total: float | None, message: str | None) -> None:
        del total
        self.progress.append((progress, message or ""))


def mcp_env(broker_url: str, **settings: str) -> dict[str, str]:
    """The environment of a server."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "CELLBLOCK_BROKER_URL": broker_url, **settings}


@asynccontextmanager
async def session_over_stdio(
    broker_url: str, *options: str, mode: str = "auto", **settings: str
) -> AsyncIterator[Session]:
    """A session with a server of its own, over stdio."""
    program, *words = launcher("cli", "mcp", *options)
    parameters = StdioServerParameters(
        command=program, args=words, env=mcp_env(broker_url, **settings), cwd=ROOT
    )
    async with Client(stdio_client(parameters), mode=mode) as client:
        yield Session(client)


@asynccontextmanager
async def session_over_http(url: str, token: str | None = None, mode: str = "auto") -> AsyncIterator[Session]:
    """A session with a server that runs, over HTTP."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield Session(client)


@dataclass(frozen=True)
class HttpServer:
    """A running server, and its log."""

    process: Running
    url: str
    log_file: Path

    def log(self) -> str:
        """Everything that it has logged."""
        return self.log_file.read_text()


@contextmanager
def running_http(
    folder: Path, broker_url: str, tokens: str | None = None, *options: str, **settings: str
) -> Iterator[HttpServer]:
    """Run a server over HTTP, given once it listens. SIGTERM must end it with exit code 0."""
    log_file, env = folder / f"mcp-{secrets.token_hex(4)}.log", mcp_env(broker_url, **settings)
    if tokens is not None:
        file = folder / f"tokens-{secrets.token_hex(4)}"
        file.write_text(tokens)
        file.chmod(0o600)
        env["CELLBLOCK_API_TOKENS_FILE"] = str(file)
    with log_file.open("wb") as log:
        process = start("cli", "mcp", "--http=0", *options, env=env, output=log)
    try:
        wait_until(
            lambda: "Started server" in log_file.read_text() or process.poll() is not None, _START_S, "MCP"
        )
        found = re.search(r"Listening on (http://\S+)", log_file.read_text())
        assert process.poll() is None, log_file.read_text()
        assert found, log_file.read_text()
        yield HttpServer(process, found[1], log_file)
    finally:
        process.terminate()
        process.wait(_STOP_S)
    assert process.returncode == 0, log_file.read_text()


async def until(predicate: Callable[[], Any], what: str, within_s: float = 10.0) -> None:
    """Wait for a condition, while the clients go on."""
    await to_thread.run_sync(lambda: wait_until(predicate, within_s, what))


def png(side: int, shade: int = 0) -> bytes:
    """A square image of one shade of grey."""
    rows = (b"\0" + bytes([shade] * side)) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
