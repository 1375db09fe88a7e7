# Made by `python docs/generate.py` from sandbox/request.py. Change it there.
"""A request: what a caller asks for, and the part of it that can be read without the operator's settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cellblock.shared.comparison import Comparison, parse_comparison
from cellblock.shared.errors import InvalidJob
from cellblock.shared.inputs import check_count, read_env, read_files
from cellblock.shared.limits import LIMIT_NAMES
from cellblock.shared.payload import decode_content, decode_text, normalise_glob, normalise_path
from cellblock.shared.quoting import quoted
from cellblock.shared.runs import RunRequest, read_runs
from cellblock.shared.units import format_bytes

__all__ = ["ARGUMENTS", "Parts", "bind_request", "check_names", "read_parts"]

#: The arguments of `cellblock.run_sandboxed` after `cmd` and `runtime`.
ARGUMENTS = (
    *LIMIT_NAMES,
    *(
        "entry",
        "stdin",
        "env",
        "files",
        "artifacts",
        "runs",
        "compare",
        "stop_on_failure",
        "network",
        "check",
    ),
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
    """What of a request can be read without the operator's settings."""

    cmd: str | tuple[str, ...] | None
    entry: str | None
    stdin: bytes | None
    env: Mapping[str, str]
    files: Mapping[str, bytes]
    artifacts: tuple[str, ...]
    runs: tuple[RunRequest, ...]
    compare: Comparison
    stop_on_failure: bool
    check: bool

    @property
    def deciding_files(self) -> Mapping[str, bytes]:
        """The files whose names and contents decide which runtime they are for."""
        return {self.entry: self.files[self.entry]} if self.entry else self.files


def read_parts(cmd: object, request: Mapping[str, object]) -> Parts:
    """Read these parts.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    files, runs = read_files(request.get("files")), read_runs(request.get("runs"))
    if not runs and (lone := next((name for name in _OF_RUNS if request.get(name) is not None), None)):
        raise InvalidJob(f"{lone}: it is about runs, and the request has none.")
    if runs and request.get("artifacts"):
        raise InvalidJob("artifacts: a job with runs brings back none; have each run write what you need.")
    return Parts(
        cmd=None if cmd is None else _cmd(cmd),
        entry=_entry(request.get("entry"), cmd, files),
        stdin=None if request.get("stdin") is None else decode_content("stdin", request["stdin"]),
        env=read_env(request.get("env")),
        files=files,
        artifacts=_artifacts(request.get("artifacts")),
        runs=runs,
        compare=parse_comparison(request.get("compare")),
        stop_on_failure=_flag("stop_on_failure", request.get("stop_on_failure")),
        check=_flag("check", request.get("check")),
    )


def _entry(entry: object, cmd: object, files: Mapping[str, bytes]) -> str | None:
    if entry is None:
        return None
    if cmd is not None:
        raise InvalidJob("entry: it says what starts if there is no cmd; leave one of them out.")
    path = normalise_path(entry, "entry")
    if path not in files:
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
