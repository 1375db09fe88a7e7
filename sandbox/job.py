"""A job: a request that has been checked, ready to run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from config import format_bytes, ladder
from config.quoting import quoted
from sandbox.blob_inputs import check_store
from sandbox.detect import choose_runtime, no_owner
from sandbox.egress.network_request import Network, parse_network
from sandbox.entrypoint import Stages, plan_start
from sandbox.errors import InvalidJob
from sandbox.limits import LIMIT_NAMES, Limits, resolve_compile_limits, resolve_limits
from sandbox.payload import (
    decode_content,
    decode_file,
    decode_ref,
    decode_text,
    normalise_glob,
    normalise_path,
)
from sandbox.room import check_input

if TYPE_CHECKING:
    from config import Catalogue, Ladder, Runtime, Settings
    from sandbox.blobs import BlobStore, Source

__all__ = [
    "ARGUMENTS",
    "Job",
    "Parts",
    "bind_request",
    "check_names",
    "parse_job",
    "read_parts",
]

#: The arguments of `cellblock.run_sandboxed` after `cmd` and `runtime`.
ARGUMENTS = (
    *LIMIT_NAMES,
    *("entry", "stdin", "env", "files", "artifacts", "artifacts_as", "workspace", "keep_workspace"),
    *("network", "check"),
)

# execve(2): one argument may take 32 pages, all of them a quarter of the stack. A job may use half of that.
_ARGUMENT_BYTES = 131_071
_ARGUMENTS_BYTES = 1 << 20
# Each argument also takes the NUL at its end and a pointer.
_POINTER_BYTES = 9
# All patterns are tried on each file that a job leaves.
_PATTERNS = 256
_PATTERNS_BYTES = 64 << 10
# Each argument and variable takes a step in the worker's own event loop, and a pointer in the cell.
_MOST_ARGUMENTS = 16_384
_MOST_VARIABLES = 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@dataclass(frozen=True, slots=True)
class Compile:
    """The first stage of a job that has two: it gets the files, and what it leaves goes to the second."""

    argv: tuple[str, ...]
    limits: Limits
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, with what, and how much it may use. `argv` is executed as it stands, with no shell.

    `refs` are files of which only the ref is known, `sources` those that can be read. `workspace` is a tar
    archive that is unpacked in `/workspace` first. `blobs` is the store, once the refs are looked up there.
    """

    argv: tuple[str, ...]
    runtime: Runtime
    limits: Limits
    stdin: bytes | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    workspace_ref: str | None = None
    workspace: Source | None = None
    artifacts: tuple[str, ...] = ()
    artifacts_as_refs: bool = False
    keep_workspace: bool = False
    blobs: BlobStore | None = field(default=None, repr=False, compare=False)
    network: Network = False
    check: bool = False
    compile: Compile | None = None
    detected: str = ""
    entry: str | None = None
    compiles: bool = False

    @property
    def uses_blobs(self) -> bool:
        """Whether it needs a blob store, for what it gets or for what it leaves."""
        return bool(self.refs or self.workspace_ref or self.artifacts_as_refs or self.keep_workspace)

    def ladder(self, margin_s: float) -> Ladder:
        """The ladder of both stages together; the first one's time is added to the job's own."""
        before_s = 0.0
        if self.compile:
            before_s = self.compile.limits.timeout_s + self.compile.limits.grace_s + 2 * margin_s
        return ladder(before_s + self.limits.timeout_s, self.limits.grace_s, margin_s)

    def first_stage(self) -> Job | None:
        """The compilation, if there is one, as a job of its own, which brings back all that it leaves."""
        if self.compile is None:
            return None
        return replace(
            self,
            argv=self.compile.argv,
            runtime=self.runtime.compiler,
            limits=self.compile.limits,
            env=self.compile.env,
            stdin=None,
            artifacts=("**",),
            compile=None,
            compiles=True,
        )

    def second_stage(self, workspace: Source) -> Job:
        """The second stage as a job of its own, with all that the first stage left."""
        return replace(self, files={}, sources={}, workspace=workspace, compile=None)


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


def parse_job(
    cmd: object, runtime: object = None, *, settings: Settings, catalogue: Catalogue, **request: object
) -> Job:
    """The job that a request describes, its limits resolved.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    check_names(request)
    _check_file_count(request.get("files"), settings.max_files)
    parts = read_parts(cmd, request)
    # Of a file by ref only the name counts here: apps and event loops ask no store.
    files, entry = parts.files | dict.fromkeys(parts.refs, b""), parts.entry
    choice = choose_runtime(runtime, {entry: files[entry]} if entry else files, catalogue)
    chosen = choice.runtime
    limits = resolve_limits(request, chosen.limits, settings)
    compile_limits = resolve_compile_limits(chosen.compile_limits, limits, settings)
    if parts.cmd is not None:
        stages = Stages(compile=(), run=_argv(parts.cmd, chosen))
    elif choice.is_default:
        raise InvalidJob(no_owner({entry: files[entry]} if entry else files, catalogue))
    else:
        stages = plan_start(chosen, files, entry).for_memory(compile_limits.memory_bytes, limits.memory_bytes)
    job = Job(
        argv=stages.run,
        runtime=chosen,
        limits=limits,
        stdin=parts.stdin,
        env=chosen.with_own(parts.env, limits.memory_bytes),
        files=stages.files(parts.files),
        refs=stages.files(parts.refs),
        workspace_ref=parts.workspace_ref,
        artifacts=parts.artifacts,
        artifacts_as_refs=parts.artifacts_as_refs,
        keep_workspace=parts.keep_workspace,
        network=parse_network(request.get("network"), settings),
        check=parts.check,
        compile=Compile(
            stages.compile, compile_limits, chosen.with_own(parts.env, compile_limits.memory_bytes)
        )
        if stages.compile
        else None,
        detected=choice.reason,
        entry=stages.entry,
    )
    _check_command(job)
    check_input(job, settings)
    check_store(job, settings)
    return job


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


def _argv(cmd: str | tuple[str, ...], runtime: Runtime) -> tuple[str, ...]:
    return runtime.shell_argv(cmd) if isinstance(cmd, str) else cmd


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


def _check_file_count(files: object, most: int) -> None:
    if isinstance(files, Mapping) and len(files) > most:
        raise InvalidJob(
            f"files: there are {len(files)}, above the maximum of {most} that the operator allows"
            " (CELLBLOCK_MAX_FILES); send them as one archive, and unpack it in cmd."
        )


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


def _check_command(job: Job) -> None:
    arguments = [*job.argv, *(f"{name}={value}" for name, value in job.env.items())]
    sizes = [len(argument.encode()) for argument in arguments]
    if max(sizes) > _ARGUMENT_BYTES or sum(sizes) + _POINTER_BYTES * len(sizes) > _ARGUMENTS_BYTES:
        raise InvalidJob(
            f"The command and env are too large: Linux takes {format_bytes(_ARGUMENT_BYTES)} an argument"
            f" and {format_bytes(_ARGUMENTS_BYTES)} in all; send the rest in files or stdin."
        )
