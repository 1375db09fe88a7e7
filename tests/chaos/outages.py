"""Outages of Redis: `python -m tests.chaos.outages` runs every kind with several durations.

Jobs wait, run and end during the outage. Each job must succeed exactly once, and the worker must not end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery
from celery.states import READY_STATES

from tests.chaos.durable_redis import DurableRedis
from tests.chaos.workers import ChaosWorker
from tests.waiting import becomes, wait_until

__all__ = ["KINDS", "Outage", "Outcome", "strike"]

_TASK = "cellblock.run_sandboxed"
_START_S = 60.0
_SETTLE_S = 150.0
_BEFORE_S = 2.0
_NOTHING = {"status": "PENDING", "result": None}

#: Who is affected and how: the broker, the result backend (then a Redis of its own), or one Redis for both.
KINDS = (
    "both killed",
    "broker killed",
    "results killed",
    "both full",
    "results full",
    "both read-only",
    "results read-only",
)


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage of this kind for `lasts_s` seconds, with this number of jobs."""

    kind: str
    lasts_s: float
    jobs: int = 50
    settings: tuple[tuple[str, str], ...] = (("ENABLE_DOCKER", "false"),)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counts of the jobs' ends (`SUCCESS succeeded 1` is the right one), and how the worker ended."""

    endings: Counter[str]
    took_s: float
    worker_ended: bool
    stopped: int | None
    log: str

    @property
    def is_good(self) -> bool:
        """Whether every job succeeded at its first attempt, and the worker did not end too soon."""
        return set(self.endings) == {"SUCCESS succeeded 1"} and not self.worker_ended and self.stopped == 0


def strike(outage: Outage) -> Outcome:
    """Run one worker with four processes. The outage begins two seconds after its jobs were sent."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-outage-")))
        stores = [stack.enter_context(DurableRedis(_made(folder / "broker")))]
        if not outage.kind.startswith("both"):
            stores.append(stack.enter_context(DurableRedis(_made(folder / "results"))))
        broker, results = stores[0], stores[-1]
        struck = results if outage.kind.startswith("results") else broker
        settings = {"CELLBLOCK_BROKER_URL": broker.url, "CELLBLOCK_RESULT_BACKEND": results.url}
        settings |= dict(outage.settings)
        worker = ChaosWorker("one", settings, folder / "worker.log", ("--concurrency=4",))
        stack.callback(worker.kill)
        worker.start()
        wait_until(lambda: worker.is_ready, _START_S, "the worker is ready")
        with Celery("elsewhere", broker=broker.url, backend="disabled://", set_as_current=False) as app:
            ids = [_send(app, number) for number in range(outage.jobs)]
        began = time.monotonic()
        _act(struck, outage, began)
        becomes(lambda: all(meta["status"] in READY_STATES for meta in _metas(results, ids)), _SETTLE_S)
        took_s = time.monotonic() - began
        metas = _metas(results, ids)
        ended = not worker.is_alive
        stopped = worker.stop()
        return Outcome(Counter(map(_ending, metas)), took_s, ended, stopped, worker.log())


def _send(app: Celery, number: int) -> str:
    """Send a job. Some jobs end before the outage, some end during it, and most wait."""
    return str(app.send_task(_TASK, [f"sleep {number % 5}; echo {number}", "bash"], queue="cellblock").id)


def _act(store: DurableRedis, outage: Outage, began: float) -> None:
    _wait_till(began + _BEFORE_S)
    match outage.kind.split()[1]:
        case "killed":
            store.kill()
            _wait_till(began + _BEFORE_S + outage.lasts_s)
            store.start()
        case "full":
            with store.filled():
                _wait_till(began + _BEFORE_S + outage.lasts_s)
        case _:
            with store.read_only():
                _wait_till(began + _BEFORE_S + outage.lasts_s)


def _wait_till(moment: float) -> None:
    becomes(lambda: time.monotonic() >= moment, 1e6)


def _metas(store: DurableRedis, ids: list[str]) -> list[dict[str, Any]]:
    """The stored results. PENDING stands for those that can't be read now."""
    if not store.answers():
        return [_NOTHING]
    with store.client() as client:
        texts = [client.get(f"celery-task-meta-{job_id}") for job_id in ids]
    return [json.loads(str(text)) if text else _NOTHING for text in texts]


def _ending(meta: dict[str, Any]) -> str:
    answer = meta["result"]
    if not isinstance(answer, dict):
        return f"{meta['status']} {type(answer).__name__}"
    return f"{meta['status']} {answer['status']} {answer['attempt']}"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> int:
    """Run every kind of outage. Returns 0 if all outcomes are good."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.outages", description=__doc__)
    parser.add_argument("--only", action="append", choices=KINDS, help="may be repeated")
    parser.add_argument("--lasts", action="append", type=float, help="seconds; may be repeated")
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--cells", action="store_true", help="in cells, not on this host")
    parser.add_argument("--logs", type=Path, help="a folder for what the workers logged")
    options = parser.parse_args()
    settings = (("ENABLE_DOCKER", str(options.cells).lower()),)
    good = True
    for kind in options.only or KINDS:
        for lasts_s in options.lasts or ((10, 40, 90) if "killed" in kind else (25,)):
            outcome = strike(Outage(kind, lasts_s, options.jobs, settings))
            good = good and outcome.is_good
            stopped = "did not stop" if outcome.stopped is None else f"stopped with {outcome.stopped}"
            print(
                f"{kind} for {lasts_s:g} s: {'good' if outcome.is_good else 'BAD'}, {dict(outcome.endings)},"
                f" {outcome.took_s:.0f} s, worker {'ENDED, ' if outcome.worker_ended else ''}{stopped},"
                f" {len(outcome.log.splitlines())} lines of log",
                flush=True,
            )
            if options.logs:
                options.logs.mkdir(parents=True, exist_ok=True)
                (options.logs / f"{kind.replace(' ', '-')}-{lasts_s:g}.log").write_text(outcome.log)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
