"""The options that describe a job, shared by `run` and `submit`."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Artifacts",
    "Command",
    "Cpus",
    "Disk",
    "Env",
    "Files",
    "Grace",
    "Json",
    "Memory",
    "OutputLimit",
    "Pids",
    "Runtime",
    "Stdin",
    "Timeout",
    "request_of",
]

Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="CMD…", help="The command, after --. One word is given to the cell's shell."),
]
Runtime = Annotated[str | None, typer.Option(help="A runtime of the catalogue; else told from the files.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds until SIGTERM.")]
Grace = Annotated[float | None, typer.Option(help="Seconds from SIGTERM to SIGKILL.")]
Memory = Annotated[str | None, typer.Option(help="Bytes, or a size such as 512m.")]
Cpus = Annotated[float | None, typer.Option(help="Cores.")]
Pids = Annotated[int | None, typer.Option(help="Processes and threads.")]
Disk = Annotated[str | None, typer.Option(help="Size of /workspace, and of /tmp.")]
OutputLimit = Annotated[str | None, typer.Option(help="Bytes kept of each stream.")]
Stdin = Annotated[Path | None, typer.Option(metavar="FILE", help="The job's standard input; - for this one.")]
Env = Annotated[list[str] | None, typer.Option(metavar="K=V", help="A variable of the job's environment.")]
Files = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="PATH[=SOURCE]", help="A file under /workspace, from SOURCE here."),
]
Artifacts = Annotated[
    list[str] | None,
    typer.Option("--artifact", metavar="GLOB", help="Files under /workspace to bring back."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")]


def request_of(
    command: list[str] | None,
    *,
    stdin: Path | None,
    env: list[str] | None,
    files: list[str] | None,
    artifacts: list[str] | None,
    **given: object,
) -> dict[str, Any]:
    """The arguments of `run_sandboxed` that the options stand for; what was not given is left out."""
    request: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    request["cmd"] = command[0] if command and len(command) == 1 else command or None
    if command is None and not files:
        raise typer.BadParameter("give a command after --, or files to run with --file", param_hint="CMD…")
    if stdin is not None:
        request["stdin"] = _content(stdin)
    if env:
        request["env"] = dict(map(_variable, env))
    if files:
        request["files"] = dict(map(_file, files))
    if artifacts:
        request["artifacts"] = artifacts
    return request


def _variable(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"{pair!r} is not of the form K=V", param_hint="--env")
    return name, value


def _file(pair: str) -> tuple[str, dict[str, str]]:
    path, equals, source = pair.partition("=")
    if equals:
        return path, _content(Path(source))
    return (Path(path).name if Path(path).is_absolute() else path), _content(Path(path))


def _content(path: Path) -> dict[str, str]:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None
    return {"base64": base64.b64encode(data).decode()}
