"""Measures what a job costs in the worker itself, beside a task of Celery's that does nothing."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from celery import Celery

from benchmarks.finding import Finding
from benchmarks.noop_worker import NOOP
from benchmarks.processes import cpu_of_processes
from benchmarks.samples import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["measure_queue_cost"]

_BACKLOG = 200
_JOB = ("cellblock.run_sandboxed", "cellblock")
_NOOP_PROGRAM = ("celery", "-A", "benchmarks.noop_worker", "worker", "--loglevel=INFO")
_PATIENCE_S = 120.0


@dataclass(slots=True)
class _Way:
    name: str
    worker: Worker
    app: Celery
    task: str
    queue: str
    args: list[object]
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def run(self, count: int) -> float:
        """Send so many tasks at once, wait for all, and return the seconds."""
        started = time.perf_counter()
        sent = [self.app.send_task(self.task, self.args, queue=self.queue) for _ in range(count)]
        for one in sent:
            one.get(timeout=_PATIENCE_S, interval=0.005, propagate=False)
        return time.perf_counter() - started


def measure_queue_cost(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Run each way in turn: one task at a time, and many at once."""
    with ExitStack() as stack:
        say("queue: starting workers")
        ways = _ways(around, stack)
        for number in range(-3, scale.rounds):
            say(f"queue: one at a time, round {max(number, 0) + 1} of {scale.rounds}")
            for way in ways:
                took_s = way.run(1)
                way.seconds += [took_s] if number >= 0 else []
        for number in range(-1, scale.bursts):
            say(f"queue: {_BACKLOG} at once, round {max(number, 0) + 1} of {scale.bursts}")
            for way in ways:
                _many(way, keep=number >= 0)
    return _table(ways)


def _many(way: _Way, *, keep: bool) -> None:
    before = cpu_of_processes(way.worker.process.pid)
    took_s = way.run(_BACKLOG)
    if keep:
        way.cpu_s.append((cpu_of_processes(way.worker.process.pid) - before) / _BACKLOG)
        way.rates.append(_BACKLOG / took_s)


def _ways(around: Surroundings, stack: ExitStack) -> list[_Way]:
    noop = stack.enter_context(around.worker("noop", "--concurrency=2", program=_NOOP_PROGRAM))
    host = stack.enter_context(around.worker("queue-host", "--concurrency=2", ENABLE_DOCKER="false"))
    plain, ours = (_app(stack, one.broker_url) for one in (noop, host))
    return [
        _Way("a Celery task that does nothing", noop, plain, NOOP, "celery", []),
        _Way("a request that is refused", host, ours, *_JOB, ["true", "no-such-runtime"]),
        _Way("a job in the legacy mode", host, ours, *_JOB, [["true"], "bash"]),
    ]


def _app(stack: ExitStack, url: str) -> Celery:
    app = Celery("queue", broker=url, backend=url, set_as_current=False)
    stack.callback(app.close)
    return app


def _table(ways: list[_Way]) -> Finding:
    base = statistics.median(ways[0].cpu_s)
    raw = {
        way.name: {
            **spread(way.seconds).to_dict(),
            "worker_cpu_ms": round(statistics.median(way.cpu_s) * 1000, 2),
            "against_noop": round(statistics.median(way.cpu_s) / base, 2),
            "per_s": round(statistics.median(way.rates), 1),
        }
        for way in ways
    }
    rows = [
        (
            name,
            f"{one['p50_ms']:.2f}",
            f"{one['worker_cpu_ms']:.2f}",
            f"{one['against_noop']:.2f} times",
            f"{one['per_s']:.0f}",
        )
        for name, one in raw.items()
    ]
    return Finding(
        "queue",
        "What a job costs in the worker, without a cell",
        (
            "what",
            "p50 ms, one at a time",
            "CPU ms each, worker",
            "against the task that does nothing",
            "per second",
        ),
        rows,
        raw,
        notes=["Two pool processes each, and a log at level INFO. The command's own time is not counted."],
    )
