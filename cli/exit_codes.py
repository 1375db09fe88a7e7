"""Exit codes, as `docker run` and `timeout(1)` give them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """The exit codes that are not the command's own."""

    OK = 0
    """The command succeeded; `doctor`: nothing prevents a job from running."""
    WRONG_ANSWER = 1
    """All runs succeeded, and one of them did not write what was expected."""
    USAGE = 2
    """The call is wrong, or the request or a setting is refused."""
    TIMED_OUT = 124
    """`timed_out`."""
    SANDBOX_FAILED = 125
    """The sandbox could not do its job: no engine, no Redis, no image, no result, no such job."""
    INTERRUPTED = 130
    """Ctrl-C; the cell is removed."""
    KILLED = 137
    """`out_of_memory`, `output_limit` or `cancelled`."""


def exit_code_of(status: str, exit_code: int | None) -> int:
    """The exit code for a result with this `status`, if the command's own code is `exit_code`."""
    match status:
        case "timed_out":
            return ExitCode.TIMED_OUT
        case "out_of_memory" | "output_limit" | "cancelled":
            return ExitCode.KILLED
        case "succeeded":
            return ExitCode.OK
        case _:
            # If nobody saw the command end, its exit code is not known.
            return exit_code or ExitCode.SANDBOX_FAILED
