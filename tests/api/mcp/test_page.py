"""What the page for agents says is what the code does."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from api.mcp.arguments import MOST_READ_BYTES
from api.mcp.images import MOST_IMAGE_BYTES
from api.mcp.new_images import MOST_IMAGES, MOST_IMAGES_BYTES
from api.mcp.sessions import MOST_BODY_BYTES, MOST_HELD_BYTES
from api.mcp.shortened import MOST_CHARS
from api.mcp.tools import MOST_ENTRIES, tool_list
from tests.api.mcp.talking import Session, mcp_env, running_http, session_over_http
from tests.docs.page import read_page
from tests.preloaded import launcher
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Worker

PAGE = read_page("docs/how-to/use-from-an-agent.md")
TEXT = PAGE.path.read_text()


def snippets(page: str) -> list[dict[str, Any]]:
    """The servers in the page's configurations of clients."""
    return [json.loads(block.text)["mcpServers"]["cellblock"] for block in read_page(page).of("json")]


@pytest.mark.anyio
@pytest.mark.parametrize("page", ["docs/how-to/use-from-an-agent.md", "README.md"])
async def test_the_configuration_for_a_client_starts_a_server(
    worker: Worker, tmp_path: Path, page: str
) -> None:
    program = tmp_path / "cellblock"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(launcher("cli"))} "$@"\n')
    program.chmod(0o755)
    given = snippets(page)[0]
    env = {**mcp_env(""), **given.get("env", {}), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    env["CELLBLOCK_BROKER_URL"] = worker.broker_url
    server = StdioServerParameters(command=given["command"], args=given["args"], env=env, cwd=ROOT)
    async with Client(stdio_client(server)) as client:
        assert await Session(client).stdout("echo hi") == "hi\n"


@pytest.mark.anyio
async def test_the_configuration_for_a_client_over_http_reaches_one(worker: Worker, tmp_path: Path) -> None:
    _, given = snippets("docs/how-to/use-from-an-agent.md")
    scheme, _, token = given["headers"]["Authorization"].partition(" ")
    with running_http(tmp_path, worker.broker_url, f"{token} alice\n") as server:
        assert (given["type"], scheme, server.url.endswith("/mcp")) == ("http", "Bearer", True)
        async with session_over_http(server.url, token) as session:
            assert await session.stdout("echo hi") == "hi\n"


def test_the_page_has_every_tool_and_every_argument() -> None:
    for tool in tool_list():
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{tool.name}` |")]
        if tool.name == "run":
            assert all(f"`{name}`" in row for name in tool.input_schema["properties"]), row


def test_the_page_has_every_bound() -> None:
    for bound in (
        f"{MOST_CHARS} characters",
        f"{MOST_IMAGES}, each of {MOST_IMAGE_BYTES} bytes, {MOST_IMAGES_BYTES} bytes together",
        f"{MOST_READ_BYTES >> 10} KiB at a time",
        f"{MOST_ENTRIES} entries",
        f"{MOST_BODY_BYTES >> 20} MiB; {MOST_HELD_BYTES >> 20} MiB for all",
    ):
        assert bound in TEXT, bound
