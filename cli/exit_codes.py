"""Exit codes, as `docker run` and `timeout(1)` give them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """What is not the command's own code."""

    OK = 0
    """The command succeeded; `doctor`: nothing stands in the way of a job."""
    USAGE = 2
    """The call makes no sense, or the request or a setting is refused."""
    TIMED_OUT = 124
    """`timed_out`."""
    SANDBOX_FAILED = 125
    """The sandbox could not do its job: no engine, no Redis, no image, no result, no such job."""
    INTERRUPTED = 130
    """Ctrl-C; the cell is taken away."""
    KILLED = 137
    """`out_of_memory`, `output_limit` or `cancelled`."""


def exit_code_of(status: str, exit_code: int | None) -> int:
    """The exit code that tells a shell about a result with this `status` and the command's own code."""
    match status:
        case "timed_out":
            return ExitCode.TIMED_OUT
        case "out_of_memory" | "output_limit" | "cancelled":
            return ExitCode.KILLED
        case "succeeded":
            return ExitCode.OK
        case _:
            # Where nobody saw the command end, nobody knows its code.
            return exit_code or ExitCode.SANDBOX_FAILED
