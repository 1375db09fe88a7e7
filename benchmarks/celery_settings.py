"""Measures how single Celery and Redis settings change the time of a warm job."""

from __future__ import annotations

import json
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.caller import Caller
from benchmarks.finding import Finding
from benchmarks.processes import cpu_of_tree
from benchmarks.samples import spread
from benchmarks.surroundings import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["measure_celery_settings"]

_CELLS = 2
_BACKLOG = 100
_AS_SHIPPED = "as shipped: events, prefetch 1, results on the broker's Redis, prefork 2"


@dataclass(frozen=True, slots=True)
class _Variant:
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    separate_results: bool = False


_VARIANTS = (
    _Variant(_AS_SHIPPED),
    _Variant("task events off", {"worker_send_task_events": False}),
    _Variant("prefetch multiplier 4", {"worker_prefetch_multiplier": 4}),
    _Variant("results on a Redis of their own", separate_results=True),
    _Variant("results compressed (zlib)", {"result_compression": "zlib"}),
    _Variant("pool of threads", options=("--pool=threads",)),
)


@dataclass(slots=True)
class _Running:
    variant: _Variant
    worker: Worker
    caller: Caller
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def measure_celery_settings(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Start one worker for each variant, all at the same time, and measure them in turn."""
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        running = []
        for number, variant in enumerate(_VARIANTS):
            say(f"Celery settings: starting a worker, {variant.name}")
            try:
                running.append(_start(around, variant, f"set{number}", stack))
            except BenchError as error:
                missing[variant.name] = str(error)
        for number in range(-2, scale.settings_rounds):
            say(f"Celery settings: round {max(number, 0) + 1} of {scale.settings_rounds}")
            for one in running:
                _ask(around, one, keep=number >= 0)
        for number in range(-1, 3):
            say(f"Celery settings: backlog {max(number, 0) + 1} of 3")
            for one in running:
                _drain(one, keep=number >= 0)
    return _table(running, missing)


def _start(around: Surroundings, variant: _Variant, name: str, stack: ExitStack) -> _Running:
    settings = {"CELLBLOCK_WARM": f"0,bash={_CELLS}"}
    if variant.separate_results:
        settings["CELLBLOCK_RESULT_BACKEND"] = f"{stack.enter_context(around.private_redis())}/0"
    program = ("benchmarks.tuned_worker", json.dumps(variant.changes))
    options = ("--concurrency=2", *variant.options)
    worker = stack.enter_context(around.worker(name, *options, program=program, **settings))
    caller = Caller(worker.broker_url, settings.get("CELLBLOCK_RESULT_BACKEND"))
    stack.callback(caller.close)
    around.wait_warm(worker, _CELLS)
    return _Running(variant, worker, caller)


def _ask(around: Surroundings, one: _Running, *, keep: bool) -> None:
    answer = one.caller.run()
    if not answer.result["warm"]:
        raise BenchError(f"{one.variant.name}: a cell that is not warm")
    around.wait_warm(one.worker, _CELLS, used=[answer.result["container"]])
    if keep:
        one.seconds.append(answer.seconds)


def _drain(one: _Running, *, keep: bool) -> None:
    """Send requests that are refused: Celery and Redis do all their work for a job, but no cell is used."""
    pid = one.worker.process.pid
    before, started = cpu_of_tree(pid), time.perf_counter()
    for sent in [one.caller.send(runtime="no-such-runtime") for _ in range(_BACKLOG)]:
        sent.get(timeout=60, interval=0.01, propagate=False)
    if keep:
        one.rates.append(_BACKLOG / (time.perf_counter() - started))
        one.cpu_s.append((cpu_of_tree(pid) - before) / _BACKLOG)


def _table(running: list[_Running], missing: dict[str, str]) -> Finding:
    raw = {}
    for one in running:
        raw[one.variant.name] = {
            **spread(one.seconds).to_dict(),
            "backlog_per_s": round(statistics.median(one.rates), 1),
            "worker_cpu_ms": round(statistics.median(one.cpu_s) * 1000, 2),
        }
    rows = [
        (
            name,
            f"{one['p50_ms']:.2f}",
            f"{one['p95_ms']:.2f}",
            f"{one['backlog_per_s']:.0f}",
            f"{one['worker_cpu_ms']:.2f}",
        )
        for name, one in raw.items()
    ]
    rows += [(name, f"not measured: {why}", "", "", "") for name, why in missing.items()]
    return Finding(
        "celery-settings",
        "Celery and Redis settings, measured",
        (
            "what",
            "warm job p50 ms",
            "p95 ms",
            "backlog of refused requests, per second",
            "CPU ms each, worker",
        ),
        rows,
        {"ms": raw, "missing": missing},
        notes=[
            "One change each. A refused request goes Celery's and Redis's whole way and gets no cell.",
            "Repeat it with `python -m benchmarks celery-settings`.",
        ],
    )
