"""Measures a job beside a task of Celery's that does nothing: its time, and its cost in the worker."""

from __future__ import annotations

import random
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
from benchmarks.surroundings import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["measure_queue_cost"]

_BACKLOG = 200
_JOB = ("cellblock.run_sandboxed", "cellblock")
_NOOP_PROGRAM = ("celery", "-A", "benchmarks.noop_worker", "worker", "--loglevel=INFO")
_PATIENCE_S = 120.0
_CELLS = 3


@dataclass(slots=True)
class _Way:
    name: str
    worker: Worker
    app: Celery
    task: str
    queue: str
    args: list[object]
    #: How many warm cells its worker keeps. The processor time of cells is not the worker's.
    cells: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def run(self, count: int) -> float:
        """Send so many tasks at once, wait for all, and return the seconds.

        Raises:
            BenchError: a cell that should have been warm was not.
        """
        started = time.perf_counter()
        sent = [self.app.send_task(self.task, self.args, queue=self.queue) for _ in range(count)]
        answers = [one.get(timeout=_PATIENCE_S, interval=0.005, propagate=False) for one in sent]
        took_s = time.perf_counter() - started
        if self.cells and not all(answer["warm"] for answer in answers):
            raise BenchError("A job got no warm cell.")
        return took_s


def measure_queue_cost(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Run each way in turn: one task at a time, and many at once."""
    with ExitStack() as stack:
        say("queue: starting workers")
        ways = _ways(around, stack)
        chance = random.Random(1)  # noqa: S311  an order, no secret
        for number in range(-3, scale.rounds):
            say(f"queue: one at a time, round {max(number, 0) + 1} of {scale.rounds}")
            # What ran just before makes a difference, so the order changes.
            for way in chance.sample(ways, len(ways)):
                took_s = way.run(1)
                way.seconds += [took_s] if number >= 0 else []
                if way.cells:
                    around.wait_calm(way.worker, way.cells)
        for number in range(-1, scale.bursts):
            say(f"queue: {_BACKLOG} at once, round {max(number, 0) + 1} of {scale.bursts}")
            for way in filter(lambda way: not way.cells, ways):
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
    warm = around.worker(
        "queue-warm", "--concurrency=2", oci_runtime="crun", CELLBLOCK_WARM=f"0,bash={_CELLS}"
    )
    isolated = stack.enter_context(warm)
    around.wait_calm(isolated, _CELLS)
    plain, ours, theirs = (_app(stack, one.broker_url) for one in (noop, host, isolated))
    return [
        _Way("a Celery task that does nothing", noop, plain, NOOP, "celery", []),
        _Way("a request that is refused", host, ours, *_JOB, ["true", "no-such-runtime"]),
        _Way("a job in the legacy mode", host, ours, *_JOB, [["true"], "bash"]),
        _Way("a job in a warm cell (crun)", isolated, theirs, *_JOB, [["true"], "bash"], _CELLS),
    ]


def _app(stack: ExitStack, url: str) -> Celery:
    app = Celery("queue", broker=url, backend=url, set_as_current=False)
    stack.callback(app.close)
    return app


def _table(ways: list[_Way]) -> Finding:
    raw = {way.name: _measured(way, ways[0]) for way in ways}
    return Finding(
        "queue",
        "What a job costs in the worker",
        (
            "what",
            "p50 ms, one at a time",
            "against the first",
            "CPU ms each, worker",
            "against the first",
            "per second",
        ),
        [_row(name, one) for name, one in raw.items()],
        raw,
        notes=["Two pool processes each, and a log at level INFO. The command's own time is not counted."],
    )


def _measured(way: _Way, noop: _Way) -> dict[str, float]:
    times, base = spread(way.seconds), spread(noop.seconds)
    found = {**times.to_dict(), "time_against_noop": round(times.p50_ms / base.p50_ms, 2)}
    if not way.cells:
        cpu_s = statistics.median(way.cpu_s)
        found["worker_cpu_ms"] = round(cpu_s * 1000, 2)
        found["against_noop"] = round(cpu_s / statistics.median(noop.cpu_s), 2)
        found["per_s"] = round(statistics.median(way.rates), 1)
    return found


def _row(name: str, one: dict[str, float]) -> tuple[str, ...]:
    times = (f"{one['p50_ms']:.2f}", f"{one['time_against_noop']:.2f} times")
    if "per_s" not in one:
        return (name, *times, "", "", "")
    return (
        name,
        *times,
        f"{one['worker_cpu_ms']:.2f}",
        f"{one['against_noop']:.2f} times",
        f"{one['per_s']:.0f}",
    )
