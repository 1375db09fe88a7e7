"""Exit codes, as `docker run` and `timeout(1)` give them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

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
    """The sandbox could not do its job: no engine, no Redis, no image, no result."""
    INTERRUPTED = 130
    """Ctrl-C; the cell is taken away."""
    KILLED = 137
    """`out_of_memory`, `output_limit` or `cancelled`."""


def exit_code_of(result: Mapping[str, Any]) -> int:
    """The exit code that tells a shell about `result`."""
    match result["status"]:
        case "timed_out":
            return ExitCode.TIMED_OUT
        case "out_of_memory" | "output_limit" | "cancelled":
            return ExitCode.KILLED
        case _:
            code: int = result["exit_code"]
            return code
