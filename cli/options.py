"""The options that describe a job, shared by `run` and `submit`."""

from __future__ import annotations

import base64
import functools
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from cli.run_options import read_comparison, read_runs
from config.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Json", "Raw", "TaskId", "check_id", "takes_a_job"]

_ID_BYTES = 1024


def check_id(task_id: str) -> str:
    """`task_id`, if it can be the id of a task. If not, the call is wrong."""
    try:
        size = len(task_id.encode())
    except UnicodeEncodeError:
        raise typer.BadParameter("it is no text") from None
    if not task_id.strip() or size > _ID_BYTES:
        raise typer.BadParameter("give the id that `cellblock submit` printed")
    return task_id


TaskId = Annotated[str, typer.Argument(metavar="ID", help="The id that `submit` printed.", callback=check_id)]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="Do not escape the job's output: it can use colours, but also control this terminal."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")]


def takes_a_job(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the first argument of a command, a job's request, by the options that describe a job."""
    described = inspect.signature(_request_of).parameters
    _, *own = inspect.signature(command).parameters.values()

    @functools.wraps(command)
    def with_options(**given: Any) -> None:  # noqa: ANN401  what Typer read
        command(_request_of(**{name: given.pop(name) for name in described}), **given)

    hints = get_type_hints(_request_of, include_extras=True) | get_type_hints(command, include_extras=True)
    parameters = [one.replace(annotation=hints[one.name]) for one in [*described.values(), *own]]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


def _runtimes_from(incomplete: str) -> list[str]:
    """The runtimes that a shell offers. It shows no errors, so with a bad setting there are none."""
    from config import InvalidSetting, load_catalogue, load_settings

    try:
        catalogue = load_catalogue(load_settings().runtimes)
    except InvalidSetting:
        return []
    return [name for name in catalogue if name.startswith(incomplete)]


def _request_of(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="CMD…", help="The command, after --. One word is given to the cell's shell."),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="A runtime of the catalogue; else chosen by the files.", autocompletion=_runtimes_from
        ),
    ] = None,
    entry: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The one of the files that starts, without a command."),
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds until SIGTERM.")] = None,
    grace: Annotated[float | None, typer.Option(help="Seconds from SIGTERM to SIGKILL.")] = None,
    cpu_time: Annotated[
        float | None, typer.Option(help="Seconds of processor time, of all processes together.")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="Bytes, or a size such as 512m.")] = None,
    stack: Annotated[str | None, typer.Option(help="Stack of each process.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Cores.")] = None,
    pids: Annotated[int | None, typer.Option(help="Processes and threads.")] = None,
    disk: Annotated[str | None, typer.Option(help="Size of /workspace, and of /tmp.")] = None,
    output_limit: Annotated[str | None, typer.Option(help="Bytes kept of each stream.")] = None,
    stdin: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The job's standard input; - is the standard input of this command."
        ),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A variable of the job's environment.")
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", metavar="PATH[=SOURCE]", help="A file under /workspace, from SOURCE here or from @REF."
        ),
    ] = None,
    artifacts: Annotated[
        list[str] | None,
        typer.Option("--artifact", metavar="GLOB", help="Files under /workspace to bring back."),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='A JSON list of runs, such as [{"stdin": "1 2", "expected": "3"}].',
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="WAY", help="How outputs are compared: exact, lines, tokens or float:1e-6."),
    ] = None,
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", help="End with the first run that is not accepted.")
    ] = False,
    artifacts_as: Annotated[
        Literal["inline", "ref"] | None,
        typer.Option(help="ref: store artifacts as blobs, and bring back only their refs."),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option(metavar="REF", help="What an earlier job has kept: /workspace as it begins."),
    ] = None,
    keep_workspace: Annotated[
        bool, typer.Option("--keep-workspace", help="Keep /workspace for a later job, and say its ref.")
    ] = False,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="A host that the job may reach; or: all, for every host that the engine reaches.",
        ),
    ] = None,
) -> dict[str, Any]:
    """The options as arguments of `run_sandboxed`. Options that were not given are left out."""
    if command is None and not files:
        raise typer.BadParameter("give a command after --, or files to run with --file", param_hint="CMD…")
    request = {
        "runtime": runtime,
        "entry": entry,
        "timeout": timeout,
        "grace": grace,
        "cpu_time": cpu_time,
        "memory": memory,
        "stack": stack,
        "cpus": cpus,
        "pids": pids,
        "disk": disk,
        "output_limit": output_limit,
        "stdin": stdin and _content(stdin),
        "env": dict(map(_variable, env or [])) or None,
        "files": dict(map(_file, files or [])) or None,
        "artifacts": artifacts or None,
        "runs": runs and read_runs(runs),
        "compare": compare and read_comparison(compare),
        "stop_on_failure": stop_on_failure or None,
        "artifacts_as": artifacts_as,
        "workspace": workspace,
        "keep_workspace": keep_workspace or None,
        "network": True if network == ["all"] else network or None,
    }
    cmd = command[0] if command and len(command) == 1 else command or None
    return {"cmd": cmd} | {name: value for name, value in request.items() if value is not None}


def _variable(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"{quoted(pair)} is not of the form K=V", param_hint="--env")
    return name, value


def _file(pair: str) -> tuple[str, dict[str, str]]:
    path, equals, source = pair.partition("=")
    if source.startswith("@sha256:"):
        return path, {"ref": source[1:]}
    if equals:
        return path, _content(Path(source))
    return (Path(path).name if Path(path).is_absolute() else path), _content(Path(path))


def _content(path: Path) -> dict[str, str]:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None
    return {"base64": base64.b64encode(data).decode()}
