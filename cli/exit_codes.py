"""Exit codes, as `docker run` and `timeout(1)` give them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """What is not the command's own code."""

    OK = 0
    USAGE = 2
    TIMED_OUT = 124
    SANDBOX_FAILED = 125
    INTERRUPTED = 130
    KILLED = 137


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
