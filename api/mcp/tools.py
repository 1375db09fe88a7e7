"""The tools: what models are told of them, and what each does."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.types import Tool, ToolAnnotations

from api.mcp import arguments as of
from api.mcp import running
from api.mcp.answer import JOB_SCHEMA, answer
from api.mcp.arguments import read_arguments
from api.mcp.files import list_files, read_file, write_file
from api.mcp.images import image_content
from api.mcp.refusal import Refused
from config.quoting import named
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.types import CallToolResult

    from api.mcp.running import Report
    from api.mcp.workspace import Workspace

    Call = Callable[["Workspace", Any, float, "Report"], Awaitable["CallToolResult"]]

__all__ = ["INSTRUCTIONS", "MOST_ENTRIES", "call_tool", "tool_list"]

INSTRUCTIONS = (
    "Runs commands and programs in a sandbox with no network. All tools share one workspace, the folder where"
    " commands start: what one call writes there, the next one finds. Nothing else lasts from call to call:"
    " no process, no variable, no installed package."
)

#: The most files and folders in one answer.
MOST_ENTRIES = 1000


async def _run(
    workspace: Workspace, asked: of.RunArguments, until_s: float, report: Report
) -> CallToolResult:
    return await running.run(workspace, asked, until_s, report)


async def _result(
    workspace: Workspace, asked: of.ResultArguments, until_s: float, report: Report
) -> CallToolResult:
    return await running.result(workspace, asked.job, until_s, report)


async def _cancel(workspace: Workspace, asked: of.CancelArguments, _: float, __: Report) -> CallToolResult:
    return await running.cancel(workspace, asked.job)


async def _write(workspace: Workspace, asked: of.WriteArguments, until_s: float, _: Report) -> CallToolResult:
    content: Any = {"base64": asked.content} if asked.is_base64 else asked.content
    await write_file(workspace, asked.path, content, until_s)
    return answer(f"{named(asked.path)} is written.")


async def _read(workspace: Workspace, asked: of.ReadArguments, until_s: float, _: Report) -> CallToolResult:
    part = await read_file(workspace, asked.path, asked.offset, asked.length, until_s)
    is_whole = not asked.offset and len(part.data) == part.size
    if is_whole and not asked.as_base64 and (image := image_content(part.data)):
        return answer(f"{named(asked.path)}: {part.size} bytes", None, image)
    if 0 < part.size <= asked.offset:
        raise Refused(f"{named(asked.path)} has only {part.size} bytes.")
    data = part.data[: asked.length]
    end = asked.offset + len(data)
    rest = f"\n[bytes {asked.offset} to {end} of {part.size}; the rest follows from offset {end}]"
    return answer(_text(data, asked) + (rest if end < part.size else ""))


def _text(data: bytes, asked: of.ReadArguments) -> str:
    if asked.as_base64:
        return base64.b64encode(data).decode()
    try:
        # A part may begin and end within a character.
        text = data.decode(errors="ignore" if b"\0" not in data else "strict")
    except UnicodeDecodeError:
        text = ""
    if len(text.encode()) + 6 < len(data) or "\0" in text:
        raise Refused(
            f"{named(asked.path)} is not text. Try: as_base64; or `run` with a program that reads it."
        )
    return text


async def _list(workspace: Workspace, asked: of.ListArguments, until_s: float, _: Report) -> CallToolResult:
    entries, is_all = await list_files(workspace, asked.folder, until_s)
    shown = entries[:MOST_ENTRIES]
    lines = [
        f"{named(one.path)}{'/' if one.kind == 'folder' else f'  {one.size} bytes'}"
        f"{'' if one.kind in ('file', 'folder') else f', {one.kind}'}"
        for one in shown
    ]
    if len(entries) > len(shown) or not is_all:
        lines.append(f"[only {len(shown)} are listed, and there are more; list a folder, or `run` find]")
    facts = {
        "files": [{"path": one.path, "kind": one.kind, "size": one.size} for one in shown],
        "is_all": is_all and len(entries) == len(shown),
    }
    return answer("\n".join(lines) or "The folder is empty.", facts)


@dataclass(frozen=True, slots=True)
class _Entry:
    about: str
    arguments: type[of.Arguments]
    call: Call
    output: dict[str, Any] | None = None
    only_reads: bool = False


_LIST_SCHEMA = {
    "type": "object",
    "properties": {
        "files": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "kind": {"enum": ["file", "folder", "link", "other"]},
                    "size": {"type": "integer"},
                },
            },
        },
        "is_all": {"type": "boolean"},
    },
    "required": ["files", "is_all"],
}

_TOOLS = {
    "run": _Entry(
        "Run a shell command or a program in the workspace. The answer has its exit code and its outputs, and"
        " the images that it has newly written there (png, jpeg, gif, webp, svg), so save a plot to a file. A"
        " job that takes long is answered with its id: call `result` then.",
        of.RunArguments,
        _run,
        JOB_SCHEMA,
    ),
    "result": _Entry(
        "Wait for a job that `run` has answered with its id.",
        of.ResultArguments,
        _result,
        JOB_SCHEMA,
        only_reads=True,
    ),
    "cancel": _Entry("End a job. Its output so far is the answer.", of.CancelArguments, _cancel, JOB_SCHEMA),
    "write_file": _Entry(
        "Write a file into the workspace. It replaces the one of that name.", of.WriteArguments, _write
    ),
    "read_file": _Entry(
        "Read a file of the workspace, or a part of it. An image comes as an image.",
        of.ReadArguments,
        _read,
        only_reads=True,
    ),
    "list_files": _Entry(
        "List what is in the workspace, with sizes.", of.ListArguments, _list, _LIST_SCHEMA, only_reads=True
    ),
}


def tool_list() -> list[Tool]:
    """The tools, with the runtimes and the maxima of this deployment."""
    return [
        Tool(
            name=name,
            description=one.about,
            input_schema=_schema(one.arguments),
            output_schema=one.output,
            annotations=ToolAnnotations(
                read_only_hint=one.only_reads, destructive_hint=False, open_world_hint=False
            ),
        )
        for name, one in _TOOLS.items()
    ]


def _schema(model: type[of.Arguments]) -> dict[str, Any]:
    schema = model.model_json_schema()
    schema.pop("description", None)
    if model is of.RunArguments:
        about = schema["properties"]
        names = ", ".join(sorted(this_catalogue()))
        about["runtime"]["description"] += f" There are: {names}."
        about["timeout_s"]["description"] += f" At most {this_settings().max_timeout:g}."
    return schema


async def call_tool(
    workspace: Workspace, name: str, given: Mapping[str, Any] | None, report: Report
) -> CallToolResult | None:
    """What a tool answers. None if there is no such tool.

    Raises:
        Refused: it can't do what it is asked.
        CellblockError: a job could not be sent.
        redis.exceptions.RedisError: there was no answer.
    """
    tool = _TOOLS.get(name)
    if tool is None:
        return None
    until_s = time.monotonic() + this_settings().mcp_answer
    return await tool.call(workspace, read_arguments(tool.arguments, given), until_s, report)
