"""A request: what a caller asks for, and the part of it that can be read without the operator's settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from config import format_bytes
from config.quoting import quoted
from sandbox.errors import InvalidJob
from sandbox.inputs import GivenFiles, check_count, read_env, read_files
from sandbox.limits import LIMIT_NAMES
from sandbox.payload import decode_content, decode_ref, decode_text, normalise_glob, normalise_path
from sandbox.runs.comparison import Comparison, parse_comparison
from sandbox.runs.request import RunRequest, read_runs

__all__ = ["ARGUMENTS", "Parts", "bind_request", "check_names", "read_parts"]

#: The arguments of `cellblock.run_sandboxed` after `cmd` and `runtime`.
ARGUMENTS = (
    *LIMIT_NAMES,
    *("entry", "stdin", "env", "files", "artifacts", "artifacts_as", "workspace", "keep_workspace"),
    *("runs", "compare", "stop_on_failure", "network", "check"),
)

_OF_RUNS = ("compare", "stop_on_failure")
# All patterns are tried on each file that a job leaves.
_PATTERNS = 256
_PATTERNS_BYTES = 64 << 10
# Each argument takes a step in the worker's own event loop, and a pointer in the cell.
_MOST_ARGUMENTS = 16_384


def bind_request(args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a call of `run_sandboxed` by name.

    Raises:
        InvalidJob: `cmd` is missing, given twice, or there are too many.
    """
    try:
        bound = _SHAPE.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise InvalidJob(f"run_sandboxed(cmd, runtime=None, *, …): {error}.") from None
    rest = bound.pop("rest", {})
    check_names(rest)
    return {**rest, **bound}


def _request(cmd: object, runtime: object = None, **rest: object) -> None:
    """The shape of a call."""


# Made once, because inspecting takes longer than all other checks of a request.
_SHAPE = inspect.signature(_request)


def check_names(request: Iterable[str]) -> None:
    """Raise InvalidJob unless each name is one of the `ARGUMENTS`."""
    unknown = sorted(set(request) - set(ARGUMENTS))
    if unknown:
        raise InvalidJob(
            f"There is no argument {quoted(unknown[0])}. There are: cmd, runtime, {', '.join(ARGUMENTS)}."
        )


class Parts(NamedTuple):
    """What of a request can be read without the operator's settings. `refs` are the refs of files."""

    cmd: str | tuple[str, ...] | None
    entry: str | None
    stdin: bytes | None
    env: Mapping[str, str]
    files: Mapping[str, bytes]
    refs: Mapping[str, str]
    workspace_ref: str | None
    artifacts: tuple[str, ...]
    artifacts_as_refs: bool
    keep_workspace: bool
    runs: tuple[RunRequest, ...]
    compare: Comparison
    stop_on_failure: bool
    check: bool

    @property
    def named_files(self) -> Mapping[str, bytes]:
        """All files. Of a file by ref only the name counts: apps and event loops ask no store."""
        return {**self.files, **dict.fromkeys(self.refs, b"")}

    @property
    def deciding_files(self) -> Mapping[str, bytes]:
        """The files whose names and contents decide which runtime they are for."""
        return {self.entry: self.named_files[self.entry]} if self.entry else self.named_files


def read_parts(cmd: object, request: Mapping[str, object]) -> Parts:
    """Read these parts.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    given, workspace = read_files(request.get("files")), request.get("workspace")
    runs = read_runs(request.get("runs"))
    _check_runs(runs, request)
    return Parts(
        cmd=None if cmd is None else _cmd(cmd),
        entry=_entry(request.get("entry"), cmd, given),
        stdin=None if request.get("stdin") is None else decode_content("stdin", request["stdin"]),
        env=read_env(request.get("env")),
        files=given.contents,
        refs=given.refs,
        workspace_ref=None if workspace is None else decode_ref("workspace", workspace),
        artifacts=_artifacts(request.get("artifacts")),
        artifacts_as_refs=_as_refs(request.get("artifacts_as")),
        keep_workspace=_flag("keep_workspace", request.get("keep_workspace")),
        runs=runs,
        compare=parse_comparison(request.get("compare")),
        stop_on_failure=_flag("stop_on_failure", request.get("stop_on_failure")),
        check=_flag("check", request.get("check")),
    )


def _check_runs(runs: Sequence[RunRequest], request: Mapping[str, object]) -> None:
    lone = next((name for name in _OF_RUNS if request.get(name) is not None), None)
    if lone and not runs:
        raise InvalidJob(f"{lone}: it is about runs, and the request has none.")
    leaves = next((name for name in ("artifacts", "keep_workspace") if request.get(name)), None)
    if leaves and runs:
        raise InvalidJob(f"{leaves}: runs leave no files; have each run write what you need.")


def _entry(entry: object, cmd: object, given: GivenFiles) -> str | None:
    if entry is None:
        return None
    if cmd is not None:
        raise InvalidJob("entry: it says what starts if there is no cmd; leave one of them out.")
    path = normalise_path(entry, "entry")
    if path not in given.contents and path not in given.refs:
        raise InvalidJob(f"entry: {quoted(path)} is not in files.")
    return path


def _cmd(cmd: object) -> str | tuple[str, ...]:
    if isinstance(cmd, str):
        return decode_text("cmd", cmd)
    if isinstance(cmd, Sequence) and not isinstance(cmd, bytes) and cmd:
        check_count("cmd", len(cmd), "arguments", _MOST_ARGUMENTS)
        return tuple(decode_text(f"cmd[{index}]", part) for index, part in enumerate(cmd))
    raise InvalidJob("cmd: give text for the cell's shell, or a list of at least one argument.")


def _artifacts(globs: object) -> tuple[str, ...]:
    if globs is None:
        return ()
    if isinstance(globs, str | bytes) or not isinstance(globs, Sequence):
        raise InvalidJob("artifacts: give a list of patterns, such as ['out/*.png'].")
    if len(globs) > _PATTERNS:
        raise InvalidJob(f"artifacts: there are {len(globs)} patterns; give at most {_PATTERNS}.")
    patterns = tuple(map(normalise_glob, globs))
    size = sum(len(pattern.encode()) for pattern in patterns)
    if size > _PATTERNS_BYTES:
        raise InvalidJob(
            f"artifacts: the patterns take {format_bytes(size)}, more than {format_bytes(_PATTERNS_BYTES)}."
        )
    return patterns


def _flag(name: str, value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidJob(f"{name}: give true or false.")
    return value


def _as_refs(way: object) -> bool:
    if way not in (None, "inline", "ref"):
        raise InvalidJob('artifacts_as: give "inline" or "ref".')
    return way == "ref"
