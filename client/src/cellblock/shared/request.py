# Made by `python docs/generate.py` from sandbox/job.py. Change it there.
"""A job: a request that has been checked, ready to run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cellblock.shared.errors import InvalidJob
from cellblock.shared.limits import LIMIT_NAMES
from cellblock.shared.payload import (
    decode_content,
    decode_file,
    decode_ref,
    decode_text,
    normalise_glob,
    normalise_path,
)
from cellblock.shared.quoting import quoted
from cellblock.shared.units import format_bytes

__all__ = ["ARGUMENTS", "bind_request", "check_names", "read_parts"]

#: The arguments of `cellblock.run_sandboxed` after `cmd` and `runtime`.
ARGUMENTS = (
    *LIMIT_NAMES,
    *("entry", "stdin", "env", "files", "artifacts", "artifacts_as", "workspace", "keep_workspace"),
    *("network", "check"),
)
# All patterns are tried on each file that a job leaves.
_PATTERNS = 256
_PATTERNS_BYTES = 64 << 10
# Each argument and variable takes a step in the worker's own event loop, and a pointer in the cell.
_MOST_ARGUMENTS = 16_384
_MOST_VARIABLES = 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


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
    files: dict[str, bytes]
    refs: dict[str, str]
    workspace_ref: str | None
    artifacts: tuple[str, ...]
    artifacts_as_refs: bool
    keep_workspace: bool
    check: bool


def read_parts(cmd: object, request: Mapping[str, object]) -> Parts:
    """Read these parts.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    files, workspace = _files(request.get("files")), request.get("workspace")
    return Parts(
        cmd=None if cmd is None else _cmd(cmd),
        entry=_entry(request.get("entry"), cmd, files),
        stdin=None if request.get("stdin") is None else decode_content("stdin", request["stdin"]),
        env=_env(request.get("env")),
        files={path: content for path, content in files.items() if isinstance(content, bytes)},
        refs={path: ref for path, ref in files.items() if isinstance(ref, str)},
        workspace_ref=None if workspace is None else decode_ref("workspace", workspace),
        artifacts=_artifacts(request.get("artifacts")),
        artifacts_as_refs=_as_refs(request.get("artifacts_as")),
        keep_workspace=_flag("keep_workspace", request.get("keep_workspace")),
        check=_flag("check", request.get("check")),
    )


def _entry(entry: object, cmd: object, files: Mapping[str, bytes | str]) -> str | None:
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
        _check_count("cmd", len(cmd), "arguments", _MOST_ARGUMENTS)
        return tuple(decode_text(f"cmd[{index}]", part) for index, part in enumerate(cmd))
    raise InvalidJob("cmd: give text for the cell's shell, or a list of at least one argument.")


def _files(files: object) -> dict[str, bytes | str]:
    """The content of each file, or its ref."""
    given = _mapping("files", files)
    checked = {
        normalise_path(path): decode_file(f"files[{quoted(path)}]", what) for path, what in given.items()
    }
    if len(checked) < len(given):
        raise InvalidJob("files: two of the paths name the same file.")
    for path in checked:
        parent = path
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in checked:
                raise InvalidJob(
                    f"files: {quoted(parent)} is a file and the folder of {quoted(path)} at once."
                )
    return checked


def _env(env: object) -> dict[str, str]:
    given = _mapping("env", env)
    _check_count("env", len(given), "variables", _MOST_VARIABLES)
    return {_env_name(name): decode_text(f"env[{quoted(name)}]", value) for name, value in given.items()}


def _check_count(name: str, count: int, what: str, most: int) -> None:
    if count > most:
        raise InvalidJob(f"{name}: there are {count} {what}; give at most {most}.")


def _env_name(name: object) -> str:
    if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
        raise InvalidJob(
            f"env: {quoted(name)} is no name of a variable: letters, digits and _, no digit first."
        )
    return name


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


def _as_refs(way: object) -> bool:
    if way not in (None, "inline", "ref"):
        raise InvalidJob('artifacts_as: give "inline" or "ref".')
    return way == "ref"


def _flag(name: str, value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidJob(f"{name}: give true or false.")
    return value


def _mapping(name: str, value: object) -> Mapping[object, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJob(f"{name}: give an object of names and values.")
    return value
