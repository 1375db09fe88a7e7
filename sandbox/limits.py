"""What a job may use, within the operator's maxima."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from config import InvalidSetting, format_bytes, parse_bytes
from config.quoting import quoted
from config.runtimes import RuntimeLimits
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config import Catalogue, Runtime, Settings

__all__ = [
    "LIMIT_NAMES",
    "RULES",
    "Limits",
    "Rule",
    "check_catalogue",
    "read_limit",
    "read_limits",
    "resolve_compile_limits",
    "resolve_limits",
    "resolve_run_limits",
    "warm_limits",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one job.

    `timeout_s` and `grace_s` are wall time. `cpu_time_s` is processor time of all processes together; None:
    no limit. `cpus` is in cores. `stack_bytes` is the limit of each process. `disk_bytes` is the limit of
    `/workspace`, and also that of `/tmp`. `output_bytes` is the limit of what is kept of each stream.
    """

    timeout_s: float
    grace_s: float
    memory_bytes: int
    cpus: float
    pids: int
    disk_bytes: int
    output_bytes: int
    cpu_time_s: float | None
    stack_bytes: int

    @property
    def flood_bytes(self) -> int:
        """How much one stream may carry before the job is stopped."""
        return 64 * self.output_bytes

    @property
    def text(self) -> str:
        """The limits as text, which `read_limits` reads."""
        return _text_of(self)


@lru_cache(maxsize=256)
def _text_of(limits: Limits) -> str:
    """Most jobs of a worker have the same limits, and each cell's labels need their text."""
    return json.dumps(asdict(limits))


def resolve_limits(asked: Mapping[str, object], runtime: RuntimeLimits, settings: Settings) -> Limits:
    """The limits for what a job `asked` for; None stands for the runtime's default, then the operator's.

    Raises:
        InvalidJob: a value of the wrong kind, below what a cell can work with, or above the maximum.
    """
    if all(asked.get(name) is None for name in LIMIT_NAMES):
        return _default_limits(runtime, settings)
    return _resolve_all(asked, runtime, settings)


@lru_cache(maxsize=64)
def _default_limits(runtime: RuntimeLimits, settings: Settings) -> Limits:
    """Most jobs ask for no limit, and each claim of a warm cell compares with these."""
    return _resolve_all({}, runtime, settings)


def _resolve_all(asked: Mapping[str, object], runtime: RuntimeLimits, settings: Settings) -> Limits:
    values: dict[str, Any] = {
        rule.field: _resolve(rule, asked.get(rule.name), getattr(runtime, rule.name), settings)
        for rule in RULES
    }
    return Limits(**values)


def resolve_run_limits(asked: Mapping[str, object], job: Limits, settings: Settings) -> Limits:
    """The limits of one of a job's runs: the job's own, but for those that the run `asked` for.

    Raises:
        InvalidJob: as `resolve_limits`.
    """
    own: dict[str, Any] = {
        rule.field: _resolve(rule, asked[rule.name], None, settings) for rule in RULES if rule.name in asked
    }
    return replace(job, **own)


def read_limits(text: str, settings: Settings) -> Limits:
    """The limits that `Limits.text` has written, if they keep to the operator's maxima.

    Raises:
        ValueError: it is no such text, or a value is too small or above the maximum.
    """
    values = json.loads(text)
    if isinstance(values, dict):
        # While a deployment is updated, workers that do not know these two limits talk to a newer guard.
        values = {"cpu_time_s": None, "stack_bytes": settings.stack} | values
    if not isinstance(values, dict) or values.keys() != {rule.field for rule in RULES}:
        raise ValueError("these are not the limits of a cell")
    read: dict[str, Any] = {rule.field: _read_back(rule, values[rule.field]) for rule in RULES}
    limits = Limits(**read)
    for rule in RULES:
        value, most = getattr(limits, rule.field), getattr(settings, rule.maximum)
        if value is not None and not rule.least <= value <= most:
            raise ValueError(f"{rule.name} is not between {rule.least:g} and {most:g}")
    return limits


def _read_back(rule: Rule, value: object) -> float | None:
    return None if value is None and rule.is_optional else rule.read(value)


def check_catalogue(catalogue: Catalogue, settings: Settings) -> None:
    """Raise InvalidSetting unless the limits of every runtime keep to the operator's own maxima."""
    for runtime in catalogue.values():
        try:
            resolve_limits({}, runtime.limits, settings)
        except InvalidJob as error:
            raise InvalidSetting(f"Runtime catalogue, {runtime.name}.limits: {error}") from None


def resolve_compile_limits(runtime: RuntimeLimits, job: Limits, settings: Settings) -> Limits:
    """The limits of a first stage: the catalogue's, reduced to the operator's maxima.

    No caller asked for these limits, so that it is no error if the catalogue's are above a maximum.
    """
    wishes = {
        rule.name: min(wish, getattr(settings, rule.maximum))
        for rule in RULES
        if (wish := getattr(runtime, rule.name)) is not None
    }
    limits = resolve_limits(wishes, RuntimeLimits(), settings)
    return replace(limits, disk_bytes=max(limits.disk_bytes, job.disk_bytes), output_bytes=job.output_bytes)


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


def _resolve(rule: Rule, asked: object, runtime_default: object, settings: Settings) -> float | None:
    if asked is None:
        asked = runtime_default if runtime_default is not None else getattr(settings, rule.default)
    if asked is None and rule.is_optional:
        return None
    value, maximum = read_limit(rule, asked), getattr(settings, rule.maximum)
    if value > maximum:
        raise InvalidJob(
            f"{rule.name}={rule.show(value)} is above the maximum of {rule.show(maximum)}"
            f" that the operator allows (CELLBLOCK_{rule.maximum.upper()})."
        )
    return value


def warm_limits(runtime: Runtime, settings: Settings) -> Limits:
    """The limits of a runtime's warm cells: its defaults, with the longest time that a job may ask for."""
    limits = resolve_limits({}, runtime.limits, settings)
    return replace(limits, timeout_s=settings.max_timeout, grace_s=settings.max_grace)
