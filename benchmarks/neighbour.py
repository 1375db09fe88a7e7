"""Measures a well-behaved job while another job attacks: one worker that runs two jobs at a time."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.caller import Caller
from benchmarks.finding import Finding
from benchmarks.samples import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.samples import Spread
    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["BOMBS", "NEIGHBOUR", "exploding", "measure_neighbour"]

_SPIN = "i=0; while [ $i -lt 100 ]; do (while :; do :; done) & i=$((i+1)); done; wait"
_HOARD = """
import os
while True:
    if os.fork() == 0:
        hoard = []
        while True: hoard.append(bytearray(1 << 20))
    os.wait()
"""
_FORK = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
_FILL = """
while :; do
    cat /dev/zero >/workspace/a; cat /dev/zero >/tmp/b; cat /dev/zero >/dev/shm/c
    rm /workspace/a /tmp/b /dev/shm/c
done 2>/dev/null
"""

#: The command, its runtime, and the limits that differ from the defaults.
BOMBS: dict[str, tuple[list[str], str, dict[str, Any]]] = {
    "CPU": (["sh", "-c", _SPIN], "bash", {}),
    "memory": (["python3", "-c", _HOARD], "python", {}),
    "forks": (["python3", "-c", _FORK], "python", {}),
    "output": (["sh", "-c", "yes & yes >&2; wait"], "bash", {"output_limit": "16m"}),
    "disk": (["sh", "-c", _FILL], "bash", {}),
}
#: It computes something and prints the result.
NEIGHBOUR = (["python3", "-c", "print(sum(range(500_000)))"], "python")

_ALONE = "alone"
_AT_A_TIME = 10
_WARM_UPS = 3
_CELLS = 4


def measure_neighbour(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> list[Finding]:
    """Measure without a warm pool and with one. Any error of the well-behaved job ends the run."""
    found = []
    for pool, warm in (("off", "0"), ("on", f"0,python={_CELLS}")):
        with around.worker(f"neighbour-{pool}", "--concurrency=2", CELLBLOCK_WARM=warm) as worker:
            found.append(_table(pool, _measure(worker, scale.rounds, lambda what: say(f"neighbour: {what}"))))
    return found


def _measure(worker: Worker, rounds: int, say: Callable[[str], None]) -> dict[str, tuple[Spread, str]]:
    """Measure all cases in turn, ten jobs at a time, so that other load affects all cases equally."""
    times: dict[str, list[float]] = {what: [] for what in (_ALONE, *BOMBS)}
    endings = {bomb: Counter[str]() for bomb in BOMBS}
    _jobs(worker.broker_url, _WARM_UPS)
    while len(times[_ALONE]) < rounds:
        say(f"{len(times[_ALONE])} of {rounds} jobs")
        jobs = min(_AT_A_TIME, rounds - len(times[_ALONE]))
        times[_ALONE] += _jobs(worker.broker_url, jobs)
        for bomb, ended in endings.items():
            with exploding(worker.broker_url, bomb) as now:
                times[bomb] += _jobs(worker.broker_url, jobs)
            ended.update(now)
    return {what: (spread(seconds), _listed(endings.get(what, {}))) for what, seconds in times.items()}


def _listed(endings: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in endings.items())


def _jobs(url: str, rounds: int) -> list[float]:
    caller = Caller(url)
    try:
        return [caller.run(*NEIGHBOUR).seconds for _ in range(rounds)]
    finally:
        caller.close()


@contextmanager
def exploding(url: str, bomb: str, each_s: float = 5.0) -> Iterator[Counter[str]]:
    """Run one bomb after another while the block runs. Gives how many bombs ended with each status."""
    over, burning, endings = threading.Event(), threading.Event(), Counter[str]()

    def ignite() -> None:
        caller, (cmd, runtime, request) = Caller(url), BOMBS[bomb]
        while not over.is_set():
            sent = caller.send(cmd, runtime, timeout=each_s, grace=0, **request)
            burning.set()
            endings[sent.get(timeout=60)["status"]] += 1
        caller.close()

    thread = threading.Thread(target=ignite, name=f"bomb-{bomb}")
    thread.start()
    burning.wait()
    try:
        yield endings
    finally:
        over.set()
        thread.join()


def _table(pool: str, found: dict[str, tuple[Spread, str]]) -> Finding:
    alone, _ = found[_ALONE]
    rows = [
        (
            what,
            f"{times.p50_ms:.0f}",
            f"{times.p99_ms:.0f}",
            f"{times.p50_ms / alone.p50_ms:.1f}",
            endings,
        )
        for what, (times, endings) in found.items()
    ]
    raw: dict[str, Any] = {
        what: times.to_dict() | {"bombs": endings} for what, (times, endings) in found.items()
    }
    return Finding(
        f"neighbour-{pool}",
        f"A well-behaved job beside a bomb, warm pool {pool}",
        ("beside", "p50 ms", "p99 ms", "times alone", "how the bombs ended"),
        rows,
        raw,
    )
