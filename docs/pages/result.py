"""The page about results: their keys, statuses and exit codes."""

from __future__ import annotations

from dataclasses import fields

from cli.exit_codes import ExitCode, exit_code_of
from docs.pages.source import member_docs, table
from sandbox.result import Result, Stage, Status, Timings

__all__ = ["result_page"]

_HEAD = """# Results

`run_sandboxed(…).get()` returns a JSON object, and `cellblock run --json` prints it. Keys are added over
time, never renamed.

"""

_STATUSES = """
## Statuses

The status is decided by what the kernel and the engine saw, never by what a program prints. A command
that fails is a *result*: the task's state is SUCCESS. An exit code above 128 is a signal only if the
kernel has sent one; 130 always counts as SIGINT, which no shell tells from that code, and 141 never as
SIGPIPE. [Errors](errors.md) are for invalid requests, and for a sandbox that could not do its job.

"""

_CODES = """
## Exit codes of the command line

The codes are those of `docker run` and `timeout(1)`. `cellblock run`, `submit --wait` and `result` exit with
the command's own code, except for these:

"""

_TIMINGS = """
## Timings

In seconds, the sum of both stages if there are two.

"""


def result_page() -> str:
    """Every key with its meaning, every status with its exit code."""
    keys = member_docs(Result)
    return (
        _HEAD
        + table(("key", "meaning"), [(f"`{f.name}`", keys[f.name]) for f in fields(Result)])
        + _TIMINGS
        + table(("key", "meaning"), [(f"`{f.name}`", member_docs(Timings)[f.name]) for f in fields(Timings)])
        + _STATUSES
        + table(("`status`", "means", "`cellblock run` exits with"), _status_rows())
        + "\n`stage` says which part of a job the result is about:\n\n"
        + table(("`stage`", "means"), [(f"`{s}`", member_docs(Stage)[s.name]) for s in Stage])
        + _CODES
        + table(("code", "means"), [(str(code.value), member_docs(ExitCode)[code.name]) for code in ExitCode])
    )


def _status_rows() -> list[tuple[str, ...]]:
    meanings = member_docs(Status)
    return [(f"`{status}`", meanings[status.name], _exits_with(status)) for status in Status]


def _exits_with(status: Status) -> str:
    own = -1
    code = exit_code_of(status, own)
    if status is Status.SUCCEEDED:
        return "0"
    return "`exit_code`" if code == own else str(int(code))
