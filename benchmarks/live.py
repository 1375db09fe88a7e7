"""Measures live output: the delay of one line, and what streaming a lot of output costs the job and Redis."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import redis

from benchmarks.caller import Caller
from benchmarks.finding import Finding
from benchmarks.surroundings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings, Worker

__all__ = ["measure_live"]

# The follower is a program, which needs time to start.
_LINE = "sleep 2; date +%s.%N"
_FLOOD_BYTES = 100_000_000
_FLOOD = f"yes 0123456789abcdef0123456789abcdef | head -c {_FLOOD_BYTES}"
# A job is stopped when its output reaches 64 times the limit.
_FLOOD_LIMIT = "4m"


def measure_live(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Time a line until `cellblock logs -f` shows it, and a flood with live output off, on, and followed."""
    rounds = 5 * scale.slow_rounds
    with around.worker("live", "--concurrency=1", CELLBLOCK_WARM="0,bash=2") as worker:
        caller = Caller(worker.broker_url)
        late_ms = []
        for number in range(rounds):
            say(f"live: line {number} of {rounds}")
            late_ms.append(_late_ms(caller, worker))
        floods: dict[str, list[float]] = {"off": [], "on": [], "followed": []}
        stream_bytes = 0
        # A flood takes a third of a second, so a short disturbance changes one measurement a lot.
        for number in range(4 * rounds):
            for how, seconds in floods.items():
                say(f"live: flood {number} of {4 * rounds}")
                taken_s, held_bytes = _flood(caller, worker, how)
                seconds.append(taken_s)
                stream_bytes = max(stream_bytes, held_bytes)
        caller.close()
    return _finding(late_ms, floods, stream_bytes)


def _late_ms(caller: Caller, worker: Worker) -> float:
    sent = caller.send(_LINE, live=True)
    with _following(worker, sent.id, subprocess.PIPE) as follower:
        line = follower.stdout.readline()
        seen = time.time()
    caller.receive(sent)
    return (seen - float(line)) * 1000


def _flood(caller: Caller, worker: Worker, how: str) -> tuple[float, int]:
    """The seconds that the job took, and the bytes that its stream then uses in Redis."""
    sent = caller.send(f"sleep 1.5; {_FLOOD}", live=how != "off", output_limit=_FLOOD_LIMIT)
    follower = _following(worker, sent.id, subprocess.DEVNULL) if how == "followed" else nullcontext()
    with follower:
        result = caller.receive(sent)
    with redis.Redis.from_url(worker.broker_url) as store:
        held_bytes: Any = store.memory_usage(f"cellblock.live:{sent.id}")
    return result["duration"] - 1.5, held_bytes or 0


@contextmanager
def _following(worker: Worker, task_id: str, stdout: int) -> Iterator[Any]:
    env = os.environ | {"CELLBLOCK_BROKER_URL": worker.broker_url}
    command = [sys.executable, "-m", "cli", "logs", "--follow", task_id]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=stdout, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        yield process


def _finding(late_ms: list[float], floods: dict[str, list[float]], stream_bytes: int) -> Finding:
    off_s, on_s, followed_s = (statistics.median(floods[how]) for how in ("off", "on", "followed"))
    rows = [
        ("a first line, until `logs -f` shows it, median", f"{statistics.median(late_ms):.1f} ms"),
        ("the same, slowest", f"{max(late_ms):.1f} ms"),
        ("100 MB with live output off, median", f"{off_s:.2f} s"),
        ("on", f"{on_s:.2f} s ({on_s / off_s - 1:+.0%})"),
        ("on, and followed on the same machine", f"{followed_s:.2f} s ({followed_s / off_s - 1:+.0%})"),
        ("its stream in Redis, at most", f"{stream_bytes / (1 << 20):.2f} MiB"),
    ]
    raw = {"late_ms": late_ms, "flood_s": floods, "stream_bytes": stream_bytes}
    return Finding("live", "Live output", ("what", "took"), rows, raw)
