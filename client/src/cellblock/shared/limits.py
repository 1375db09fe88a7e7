# Made by `python docs/generate.py` from sandbox/limits.py. Change it there.
"""What a job may use, within the operator's maxima."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellblock.shared.errors import InvalidJob
from cellblock.shared.quoting import quoted
from cellblock.shared.units import format_bytes, parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["LIMIT_NAMES", "RULES", "read_limit"]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{quoted(value)} is not a number")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{quoted(value)} is not a whole number")
    return value


@dataclass(frozen=True, slots=True)
class Rule:
    """How one limit is read; `default` and `maximum` are the names of the settings that give them."""

    name: str
    field: str
    read: Callable[[object], Any]
    least: float
    default: str
    maximum: str
    unit: str
    #: Whether a job may have no such limit.
    is_optional: bool = False

    def show(self, value: float) -> str:
        """A value with its unit."""
        return format_bytes(int(value)) if self.unit == "bytes" else f"{value:g}{self.unit}"


# The least memory is what the engine needs to start a cell at all. The least `pids` is what unpacking a job's
# files takes: the supervisor's two, and two more, which the job can use afterwards. The least stack has room
# for what execve(2) puts there.
RULES = (
    Rule("timeout", "timeout_s", _number, 0.001, "timeout_s", "max_timeout", " s"),
    Rule("grace", "grace_s", _number, 0, "grace", "max_grace", " s"),
    Rule("memory", "memory_bytes", parse_bytes, 16 << 20, "docker_memory_limit", "max_memory", "bytes"),
    Rule("cpus", "cpus", _number, 0.01, "docker_cpu_limit", "max_cpus", " cores"),
    Rule("pids", "pids", _count, 4, "pids", "max_pids", ""),
    Rule("disk", "disk_bytes", parse_bytes, 64 << 10, "disk", "max_disk", "bytes"),
    Rule("output_limit", "output_bytes", parse_bytes, 1, "output_limit", "max_output_limit", "bytes"),
    Rule("cpu_time", "cpu_time_s", _number, 0.001, "cpu_time", "max_cpu_time", " s", is_optional=True),
    Rule("stack", "stack_bytes", parse_bytes, 128 << 10, "stack", "max_stack", "bytes"),
)

LIMIT_NAMES = tuple(rule.name for rule in RULES)


def read_limit(rule: Rule, asked: object) -> float:
    """The value of a limit that a job asks for.

    Raises:
        InvalidJob: it is of the wrong kind, or below what a cell can work with.
    """
    try:
        value: float = rule.read(asked)
        shown = rule.show(value)
    except (ValueError, OverflowError) as error:
        raise InvalidJob(f"{rule.name}: {error}.") from None
    if value < rule.least:
        raise InvalidJob(f"{rule.name}={shown} is below the least possible, {rule.show(rule.least)}.")
    return value
