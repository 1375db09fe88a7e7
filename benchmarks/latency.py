"""Measures how long one `echo hi` takes in each contender; the contenders take turns."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.alternatives import DOCKER_EXEC, DOCKER_RUN
from benchmarks.contenders import (
    CELERY_COLD,
    CELERY_COLD_CRUN,
    CELERY_HOST,
    CELERY_WARM,
    HTTP_WARM,
    INPROC_COLD,
    INPROC_COLD_CRUN,
    INPROC_WARM,
    contenders,
)
from benchmarks.finding import Finding
from benchmarks.plots import Bar, Part, bars, stacked_bars
from benchmarks.samples import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.caller import Answer
    from benchmarks.contender import Contender
    from benchmarks.contenders import Workers
    from benchmarks.samples import Spread
    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_latency"]

_WARM_UPS = 2
_STEPS = ("queued", "acquire", "run", "collect", "return")


def measure_latency(
    around: Surroundings, workers: Workers, scale: Scale, say: Callable[[str], None]
) -> list[Finding]:
    """The table of all contenders, and how the time through Celery divides into steps."""
    with contenders(around, workers) as (there, missing):
        times: dict[str, list[float]] = {one.name: [] for one in there}
        for number in range(-_WARM_UPS, scale.rounds):
            say(f"latency: round {max(number, 0) + 1} of {scale.rounds}")
            for one in there:
                if not one.slow or 0 <= number < scale.slow_rounds:
                    measured = _measure(one)
                    times[one.name] += measured if number >= 0 else []
        spreads = {name: spread(seconds) for name, seconds in times.items()}
        return [_table(there, spreads, missing), _where(there)]


def _measure(one: Contender) -> list[float]:
    seconds = []
    for _ in range(one.times):
        one.prepare()
        seconds.append(one.once())
    return seconds


def _table(there: list[Contender], spreads: dict[str, Spread], missing: dict[str, str]) -> Finding:
    base = spreads.get(DOCKER_RUN)
    rows = []
    for one in sorted(there, key=lambda one: spreads[one.name].p50_ms):
        found = spreads[one.name]
        times = (f"{found.p50_ms:.1f}", f"{found.p95_ms:.1f}", f"{found.p99_ms:.1f}")
        compared = _compared(base.p50_ms, found.p50_ms) if base else ""
        rows.append((one.name, one.isolation, *times, str(found.count), compared))
    rows += [(name, "", "", "", "", "0", f"not measured: {why}") for name, why in missing.items()]
    plotted = [(name, found.p50_ms) for name, found in spreads.items()]
    plotted.sort(key=lambda pair: pair[1])
    figure = bars(
        "One echo: median time to the result",
        "milliseconds, logarithmic",
        [Bar(name, ms, name.startswith("cellblock")) for name, ms in plotted],
        logarithmic=True,
    )
    return Finding(
        "latency",
        "One `echo hi`, one at a time, in turn",
        ("what", "isolation", "p50 ms", "p95 ms", "p99 ms", "samples", "against docker run"),
        rows,
        {"ms": {name: found.to_dict() for name, found in spreads.items()}, "missing": missing},
        notes=_ratios(spreads),
        figures={"latency": figure},
    )


def _compared(base_ms: float, ms: float) -> str:
    return f"{base_ms / ms:.1f} times as fast" if ms <= base_ms else f"{ms / base_ms:.1f} times as slow"


def _ratios(spreads: dict[str, Spread]) -> list[str]:
    pairs = [
        ("A warm cell in-process", INPROC_WARM, DOCKER_RUN),
        ("A warm cell in-process", INPROC_WARM, DOCKER_EXEC),
        ("A cold cell with crun", INPROC_COLD_CRUN, INPROC_COLD),
        ("A cold cell with crun", INPROC_COLD_CRUN, DOCKER_RUN),
    ]
    notes = [
        f"{what} is {spreads[other].p50_ms / spreads[one].p50_ms:.1f} times as fast as `{other}`."
        for what, one, other in pairs
        if one in spreads and other in spreads
    ]
    if {HTTP_WARM, CELERY_WARM} <= spreads.keys():
        more_ms = spreads[HTTP_WARM].p50_ms - spreads[CELERY_WARM].p50_ms
        notes.append(f"HTTP adds {more_ms:.1f} ms to a warm job through Celery.")
    return notes


def _where(there: list[Contender]) -> Finding:
    names = (CELERY_WARM, CELERY_COLD, CELERY_COLD_CRUN, CELERY_HOST)
    steps = {one.name: _steps(one.answers) for one in there if one.name in names}
    rows = [(name, *(f"{found[step]:.2f}" for step in _STEPS)) for name, found in steps.items()]
    parts = {name: [Part(step, found[step]) for step in _STEPS] for name, found in steps.items()}
    return Finding(
        "timings",
        "Where the time goes, through Celery (median ms of each step)",
        ("what", *_STEPS),
        rows,
        steps,
        notes=["`return` is the way of the result from the worker to the caller."],
        figures={
            "timings-warm": _drawn(parts, CELERY_WARM, CELERY_HOST),
            "timings-cold": _drawn(parts, CELERY_COLD, CELERY_COLD_CRUN),
        },
    )


def _drawn(parts: dict[str, list[Part]], *names: str) -> str:
    shown = {name: parts[name] for name in names if name in parts}
    return stacked_bars("Where the time goes, through Celery", "milliseconds (medians)", shown)


def _steps(answers: list[Answer]) -> dict[str, float]:
    found = {
        step: statistics.median(answer.result["timings"][step] for answer in answers) * 1000
        for step in _STEPS[:-1]
    }
    found["return"] = statistics.median(a.seconds - a.result["timings"]["total"] for a in answers) * 1000
    return {step: round(ms, 3) for step, ms in found.items()}
