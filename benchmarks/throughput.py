"""Measures sustained jobs per second, and the processor time of each job."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.alternatives import image_of, sdk_client, sdk_run
from benchmarks.caller import Caller
from benchmarks.contenders import on_engine
from benchmarks.finding import Finding
from benchmarks.plots import Part, grouped_bars
from benchmarks.processes import cpu_of_engine, cpu_of_tree
from benchmarks.surroundings import BenchError
from sandbox import Sandbox

if TYPE_CHECKING:
    from benchmarks.contenders import Workers
    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["measure_throughput"]

_IN_FLIGHT = (1, 2, 4, 8)
# In one process, more at a time than this gain nothing.
_IN_FLIGHT_INPROC = (4,)
# Longer than a full pool lasts at any parallelism. So this measures how fast the pool refills, not its size.
_WARM_UP_S = 1.5
_SDK = "SDK containers.run loop"
_COLD, _WARM, _CRUN = "Celery, pool off", "Celery, pool on", "Celery, pool off, crun"
_INPROC = {
    "in-process, pool off": None,
    "in-process, pool off, crun": "crun",
    "in-process, pool off, runc": "runc",
}
_PLOTTED = (_CRUN, _WARM, _COLD, _SDK)
_SHOWN = (_CRUN, _WARM, _COLD, *reversed(_INPROC), _SDK)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to run jobs. `loop` runs jobs in one thread, and stops when its argument returns False."""

    name: str
    loop: Callable[[Callable[[], bool]], None]
    quiet: Callable[[], None]
    pid: int
    in_flight: tuple[int, ...] = _IN_FLIGHT


@dataclass(slots=True)
class _Sustained:
    rates: list[float] = field(default_factory=list)
    worker_cpu_s: list[float] = field(default_factory=list)
    engine_cpu_s: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        return {
            "jobs_per_s": round(statistics.median(self.rates), 2),
            "worker_cpu_ms": round(statistics.median(self.worker_cpu_s) * 1000, 1),
            "engine_cpu_ms": round(statistics.median(self.engine_cpu_s) * 1000, 1),
        }


def measure_throughput(
    around: Surroundings, workers: Workers, scale: Scale, say: Callable[[str], None]
) -> Finding:
    """Measure every way at every parallelism, in turn."""
    with _ways(around, workers) as ways:
        found = {(way.name, in_flight): _Sustained() for way in ways for in_flight in way.in_flight}
        for number in range(scale.sustained_rounds):
            for in_flight in _IN_FLIGHT:
                for way in (way for way in ways if in_flight in way.in_flight):
                    say(f"throughput: {way.name}, {in_flight} in flight, round {number + 1}")
                    way.quiet()
                    _sustain(way, in_flight, scale.sustained_s, found[way.name, in_flight])
                    way.quiet()
    return _table({key: sustained.medians() for key, sustained in found.items()})


@contextmanager
def _ways(around: Surroundings, workers: Workers) -> Iterator[list[_Way]]:
    image = image_of(around)

    def sdk_loop(go_on: Callable[[], bool]) -> None:
        with sdk_client() as client:
            while True:
                sdk_run(client, image)
                if not go_on():
                    return

    with ExitStack() as stack:
        yield [
            _Way(_SDK, sdk_loop, lambda: None, os.getpid()),
            _celery(_COLD, workers.cold, lambda: around.wait_gone(workers.cold.owner)),
            _celery(_WARM, workers.warm, lambda: around.wait_calm(workers.warm, workers.warm_cells)),
            _celery(_CRUN, workers.crun_cold, lambda: around.wait_gone(workers.crun_cold.owner)),
            *(_inproc(name, around, oci_runtime, stack) for name, oci_runtime in _INPROC.items()),
        ]


def _inproc(name: str, around: Surroundings, oci_runtime: str | None, stack: ExitStack) -> _Way:
    settings = around.settings(f"sustained {name}", **on_engine(around, oci_runtime))
    sandbox = stack.enter_context(Sandbox(settings))

    def loop(go_on: Callable[[], bool]) -> None:
        while True:
            if sandbox.run("echo hi", "bash").stdout != "hi\n":
                raise BenchError("A wrong answer.")
            if not go_on():
                return

    return _Way(name, loop, sandbox.settle, os.getpid(), _IN_FLIGHT_INPROC)


def _celery(name: str, worker: Worker, quiet: Callable[[], None]) -> _Way:
    def loop(go_on: Callable[[], bool]) -> None:
        caller = Caller(worker.broker_url)
        try:
            while True:
                caller.run()
                if not go_on():
                    return
        finally:
            caller.close()

    return _Way(name, loop, quiet, worker.process.pid)


def _sustain(way: _Way, in_flight: int, window_s: float, found: _Sustained) -> None:
    """Keep this many jobs in flight. Count the jobs that end within the window after the warm-up."""
    stop, ends, errors = threading.Event(), [], list[BaseException]()

    def go_on() -> bool:
        ends.append(time.perf_counter())
        return not stop.is_set()

    def work() -> None:
        try:
            way.loop(go_on)
        except Exception as error:  # noqa: BLE001  it is raised again in the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    stop.wait(_WARM_UP_S)
    opened, before = time.perf_counter(), (cpu_of_tree(way.pid), cpu_of_engine())
    stop.wait(window_s)
    closed, after = time.perf_counter(), (cpu_of_tree(way.pid), cpu_of_engine())
    stop.set()
    for thread in threads:
        thread.join()
    if errors:
        raise BenchError(f"{way.name}: {errors[0]}") from errors[0]
    jobs = sum(opened < end <= closed for end in ends)
    found.rates.append(jobs / (closed - opened))
    found.worker_cpu_s.append((after[0] - before[0]) / max(jobs, 1))
    found.engine_cpu_s.append((after[1] - before[1]) / max(jobs, 1))


def _table(found: dict[tuple[str, int], dict[str, float]]) -> Finding:
    rows, groups = [], {}
    for name in _SHOWN:
        for in_flight in (at for at in _IN_FLIGHT if (name, at) in found):
            one, base = found[name, in_flight], found[_SDK, in_flight]
            ratio = f"{one['jobs_per_s'] / base['jobs_per_s']:.2f} times" if base["jobs_per_s"] else ""
            cpu = (f"{one['worker_cpu_ms']:.0f}", f"{one['engine_cpu_ms']:.0f}")
            rows.append((name, str(in_flight), f"{one['jobs_per_s']:.1f}", ratio, *cpu))
    for in_flight in _IN_FLIGHT:
        parts = [Part(name, found[name, in_flight]["jobs_per_s"]) for name in _PLOTTED]
        groups[f"{in_flight} in flight"] = parts
    return Finding(
        "throughput",
        "Sustained: `echo hi`, one cell each",
        ("what", "in flight", "jobs/s", "against the SDK loop", "CPU ms/job, worker", "CPU ms/job, engine"),
        rows,
        [{"what": name, "in_flight": in_flight, **one} for (name, in_flight), one in found.items()],
        notes=[
            "The SDK loop is `containers.run(remove=True, network_mode='none')`, not hardened.",
            "The engine's time is that of the daemon, containerd, shims, runc and the cells. With crun the",
            "worker's time has that of crun, and the engine's that of the cells.",
        ],
        figures={"throughput": grouped_bars("Sustained jobs per second", "jobs per second", groups)},
    )
