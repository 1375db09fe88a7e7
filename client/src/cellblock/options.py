"""The arguments of a job and their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

__all__ = ["Base64", "Command", "Content", "Options", "Ref", "Request", "Run"]

#: Text for the cell's shell, or a list, which is executed as it is.
Command = str | Sequence[str]


class Base64(TypedDict):
    """Bytes as base64."""

    base64: str


class Ref(TypedDict):
    """The ref of a blob, as a result has it."""

    ref: str


#: The content of a file or of the standard input.
Content = str | bytes | Base64


class Run(TypedDict, total=False):
    """One of a job's `runs`. What it does not give is that of the job."""

    name: str
    """How its result is named; by default its number."""
    args: Sequence[str]
    """Arguments behind those of the command."""
    stdin: Content
    """Its standard input."""
    env: Mapping[str, str]
    """Added to the environment."""
    files: Mapping[str, Content]
    """Written under `/workspace`, in place of the job's files with the same paths."""
    timeout: float
    """Seconds of wall time."""
    cpu_time: float
    """Seconds of processor time."""
    memory: int | str
    """Size."""
    expected: Content
    """What it is expected to write to its standard output."""


class Request(TypedDict, total=False):
    """What `run_sandboxed` takes besides `cmd` and `runtime`. The operator sets the defaults and the maxima.

    A size is bytes, or text with k, m or g (binary multiples).
    """

    timeout: float
    """Seconds of wall time until SIGTERM to every process of the job."""
    grace: float
    """Seconds from then to SIGKILL."""
    cpu_time: float
    """Seconds of processor time, of all processes together."""
    memory: int | str
    """Size: all processes, and what they write."""
    stack: int | str
    """Size: the stack of each process."""
    cpus: float
    """Cores."""
    pids: int
    """Processes and threads."""
    disk: int | str
    """Size of `/workspace`, and again of `/tmp`."""
    output_limit: int | str
    """Size: how much is kept of each stream."""
    entry: str
    """The one of `files` that starts, if there is no `cmd`."""
    stdin: Content
    """The job's standard input."""
    env: Mapping[str, str]
    """Added to the job's environment."""
    files: Mapping[str, Content | Ref]
    """Written under `/workspace` before the command starts, by their paths."""
    artifacts: Sequence[str]
    """Patterns of the files under `/workspace` to bring back."""
    artifacts_as: Literal["inline", "ref"]
    """Whether the result has the artifacts themselves, or the refs of their blobs."""
    workspace: str
    """An earlier result's `workspace`: `/workspace` as it begins."""
    keep_workspace: bool
    """Whether `/workspace` is kept for a later job. The result's `workspace` is its ref."""
    runs: Sequence[Run]
    """Compile once, and then run with each of these inputs in a fresh cell."""
    compare: str | Mapping[str, float]
    """How `expected` is compared: "exact", "lines", "tokens", or {"float": 1e-6}."""
    stop_on_failure: bool
    """Whether the first run that is not accepted ends the job."""
    network: bool | Sequence[str]
    """True, or the hosts that the job may reach; refused unless the operator allows it."""
    check: bool
    """Whether anything but success raises `CommandFailed`."""


class Options(Request, total=False):
    """The same, and how the job is sent."""

    live: bool
    """Whether its output can be followed while it runs."""
    tenant: str
    """For whom the job is, instead of the tenant of the `Cellblock`."""
    queue: str
    """Where it waits, instead of the queue of the `Cellblock`."""
    priority: int
    """0 to 9; 0 is served first."""
    task_id: str
    """Its id. By default a new one."""
