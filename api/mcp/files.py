"""Writes, reads and lists the files of a workspace, each by a short job."""

from __future__ import annotations

import asyncio
import base64
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from api.mcp import scripts
from api.mcp.images import MOST_IMAGE_BYTES, is_image_name
from api.mcp.refusal import Refused
from api.outcome import error_of
from config.quoting import named
from sandbox.blobs import missing_blob
from sandbox.payload import normalise_path
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from api.mcp.workspace import Workspace
    from tasks.results.reader import Stored

__all__ = ["Entry", "Part", "list_files", "path_in", "read_file", "result_of", "write_file"]

_HOME = "/workspace/"
_LIST_BYTES = 256 << 10
# A path and a number take this much; so does what a script writes besides the content.
_ROOM_BYTES = 4 << 10


class Part(NamedTuple):
    """Some bytes of a file of `size` bytes."""

    data: bytes
    size: int


class Entry(NamedTuple):
    """A file or a folder. `kind` is "file", "folder", "link" or "other"; `size` is in bytes."""

    path: str
    kind: str
    size: int


def path_in(given: str) -> str:
    """The path relative to the workspace. Models often give `/workspace/…`, which is the same.

    Raises:
        InvalidJob: it leads elsewhere, or names no file.
    """
    return normalise_path(given.removeprefix(_HOME), "path")


async def write_file(workspace: Workspace, path: str, content: Any, until_s: float) -> None:  # noqa: ANN401
    """Write a file. `content` is as in a job's `files`.

    Raises:
        Refused: it could not be written.
        CellblockError: the job could not be sent.
    """
    request = {"cmd": ":", "runtime": "bash", "files": {path_in(path): content}}
    result = await _run(workspace, request, until_s, keeps=True)
    if not result.get("workspace"):
        reason = result.get("workspace_skipped") or result.get("status")
        raise Refused(f"The file was not written: {str(reason).rstrip('.')}.")


async def read_file(workspace: Workspace, path: str, offset: int, length: int, until_s: float) -> Part:
    """Read some bytes of a file; an image as a whole.

    Raises:
        Refused: there is no such file, or it can't be read.
        CellblockError: the job could not be sent.
    """
    within = path_in(path)
    most = max(length, MOST_IMAGE_BYTES + 1) if is_image_name(within) and not offset else length
    most = min(most, (this_settings().max_output_limit - _ROOM_BYTES) * 2 // 3)
    arguments = [f"./{within}", str(offset + 1), str(most)]
    result = await _script(workspace, scripts.READ, arguments, most * 3 // 2 + _ROOM_BYTES, until_s, path)
    size, _, encoded = str(result.get("stdout")).partition("\n")
    try:
        return Part(base64.b64decode(encoded), int(size))
    except ValueError:
        raise _unexpected(path, result) from None


async def list_files(workspace: Workspace, folder: str, until_s: float) -> tuple[list[Entry], bool]:
    """What is in a folder and below, by name, and whether that is all.

    Raises:
        Refused: there is no such folder.
        CellblockError: the job could not be sent.
    """
    plain = folder.rstrip("/") + "/"
    within = "." if plain in ("/", "./", _HOME) else f"./{path_in(folder.rstrip('/'))}"
    arguments = [within, str(_LIST_BYTES)]
    result = await _script(workspace, scripts.LIST, arguments, _LIST_BYTES + _ROOM_BYTES, until_s, folder)
    text = str(result.get("stdout"))
    is_all = len(text.encode()) < _LIST_BYTES
    return sorted(_entries(text, within)), is_all


def _entries(text: str, folder: str) -> Iterator[Entry]:
    above = "" if folder == "." else f"{folder.removeprefix('./')}/"
    parts = iter(text.split("\0"))
    for about in parts:
        sizes = about.splitlines()
        for line in sizes:
            name = next(parts, "")
            if not name:
                return
            yield _entry(above + name.removeprefix(f"{folder}/./"), line)
        next(parts, None)


def _entry(path: str, line: str) -> Entry:
    mode, _, size = line.partition(" ")
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    try:
        return Entry(path, kinds.get(stat.S_IFMT(int(mode, 16)), "other"), int(size))
    except ValueError:
        return Entry(path, "other", 0)


async def _script(
    workspace: Workspace, script: str, arguments: list[str], output_bytes: int, until_s: float, path: str
) -> Mapping[str, Any]:
    request = {
        "cmd": ["/bin/sh", "-c", script, "sh", *arguments],
        "runtime": "bash",
        "output_limit": min(2 * output_bytes, this_settings().max_output_limit),
    }
    result = await _run(workspace, request, until_s, keeps=False)
    said = {
        scripts.NO_SUCH: "there is no such file or folder. Try: `list_files`",
        scripts.IS_FOLDER: "it is a folder. Try: `list_files`",
        scripts.UNUSUAL: "it is neither of the kind that is wanted nor a link to one",
    }
    if (code := result.get("exit_code")) in said:
        raise Refused(f"{named(path)}: {said[code]}.")
    if result.get("status") != "succeeded":
        raise _unexpected(path, result)
    return result


def _unexpected(path: str, result: Mapping[str, Any]) -> Refused:
    return Refused(f"{named(path)} can't be read: the job that reads it ended as {result.get('status')}.")


async def _run(
    workspace: Workspace, request: Mapping[str, Any], until_s: float, *, keeps: bool
) -> Mapping[str, Any]:
    job = await workspace.begin(request, until_s, keeps=keeps)
    try:
        if not await job.wait(until_s):
            await workspace.stop(job)
    except asyncio.CancelledError:
        workspace.stop_soon(job)
        raise
    result = result_of(job.stored, workspace) if job.stored else {}
    if not result or result.get("status") == "cancelled":
        raise Refused("No worker has done this in time. Either all are busy, or none runs. Try again later.")
    return result


def result_of(stored: Stored, workspace: Workspace) -> Mapping[str, Any]:
    """The result of a job.

    Raises:
        Refused: it has none. If the workspace has expired, the session gets an empty one.
    """
    error = error_of(stored)
    if error is None and isinstance(stored.result, dict):
        return stored.result
    sentence = error["message"] if error else ""
    if workspace.ref and sentence == str(missing_blob("workspace", workspace.ref)):
        workspace.ref = None
        sentence = (
            "The files of this session have expired, and its workspace is empty now. Write them again, and"
            " try again."
        )
    raise Refused(sentence)
