"""The runs of a job, with their limits resolved, ready to be run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.errors import InvalidJob
from sandbox.limits import resolve_run_limits
from sandbox.runs.comparison import Comparison

if TYPE_CHECKING:
    from config import Runtime, Settings
    from sandbox.blobs import Source
    from sandbox.limits import Limits
    from sandbox.request import Parts
    from sandbox.runs.request import RunRequest

__all__ = ["ArgvFor", "PlannedRun", "Runs", "plan_runs"]

#: Gives the command for a cell with this many bytes of memory.
ArgvFor = Callable[[int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run. Its files are its own; `sources` are those of its `refs`, once these are looked up.

    `stdin` None: that of the job. `expected` None: nothing is compared.
    """

    name: str
    argv: tuple[str, ...]
    limits: Limits
    stdin: bytes | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of a job, `at_once` of them at a time, and how they are judged.

    All together may take `longest_s` seconds. The result keeps `kept_bytes` of each stream of a run.
    """

    planned: tuple[PlannedRun, ...]
    comparison: Comparison
    stop_on_failure: bool
    at_once: int
    longest_s: float
    kept_bytes: int

    def lasts_s(self, margin_s: float) -> float:
        """The seconds that all runs may need in turn, if the engine needs `margin_s` for a step."""
        each_s = (run.limits.timeout_s + run.limits.grace_s + 2 * margin_s for run in self.planned)
        return min(self.longest_s, sum(each_s))


def plan_runs(
    parts: Parts, argv_for: ArgvFor, runtime: Runtime, job_limits: Limits, settings: Settings
) -> Runs | None:
    """The runs that a request asks for; None if it asks for none.

    Raises:
        InvalidJob: there are too many, or a limit of one is not allowed.
    """
    if not parts.runs:
        return None
    if len(parts.runs) > settings.max_runs:
        raise InvalidJob(
            f"runs: there are {len(parts.runs)}, above the maximum of {settings.max_runs} that the operator"
            " allows (CELLBLOCK_MAX_RUNS)."
        )
    limits = [_limits(index, one, job_limits, settings) for index, one in enumerate(parts.runs)]
    at_once = _at_once(limits, settings)
    return Runs(
        planned=tuple(
            # All runs that go on at the same time share the job's cores.
            _plan(request, argv_for, runtime, replace(own, cpus=own.cpus / at_once))
            for request, own in zip(parts.runs, limits, strict=True)
        ),
        comparison=parts.compare,
        stop_on_failure=parts.stop_on_failure,
        at_once=at_once,
        longest_s=settings.max_timeout,
        kept_bytes=max(1, min(job_limits.output_bytes, settings.max_output_limit // len(parts.runs))),
    )


def _plan(request: RunRequest, argv_for: ArgvFor, runtime: Runtime, limits: Limits) -> PlannedRun:
    return PlannedRun(
        name=request.name,
        argv=_with_args(argv_for(limits.memory_bytes), request.args),
        limits=limits,
        stdin=request.stdin,
        env=runtime.with_own(request.env, limits.memory_bytes),
        files=request.files,
        refs=request.refs,
        expected=request.expected,
    )


def _limits(index: int, request: RunRequest, job_limits: Limits, settings: Settings) -> Limits:
    try:
        limits = resolve_run_limits(request.limits, job_limits, settings)
    except InvalidJob as error:
        raise InvalidJob(f"runs[{index}]: {error}") from None
    expected_bytes = len((request.expected or "").encode("utf-8", "replace"))
    if expected_bytes > limits.output_bytes:
        raise InvalidJob(
            f"runs[{index}]: what is expected takes {format_bytes(expected_bytes)}, more than the job's"
            f" output_limit={format_bytes(limits.output_bytes)} keeps; ask for more."
        )
    return limits


def _at_once(limits: Sequence[Limits], settings: Settings) -> int:
    """How many runs go on at a time, as the job's cores, the host's, and a job's largest memory allow."""
    by_memory = settings.max_memory // max(one.memory_bytes for one in limits)
    return max(1, min(len(limits), int(limits[0].cpus), os.cpu_count() or 1, by_memory))


def _with_args(argv: tuple[str, ...], args: tuple[str, ...]) -> tuple[str, ...]:
    """The command with further arguments. A shell's text gets them as $1, $2, …, and its own name as $0."""
    if args and len(argv) == 3 and argv[1] == "-c":
        return (*argv, argv[0], *args)
    return (*argv, *args)
