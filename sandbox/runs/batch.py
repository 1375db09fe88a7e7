"""Runs all runs of one job, several at a time, each in a cell of its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sandbox.observer import Observer
from sandbox.result import Limit, RunResult, Status
from sandbox.runs.judge import is_accepted, judge_run, left_out

if TYPE_CHECKING:
    from sandbox.cell import CellInfo, JobTags
    from sandbox.cell_run import CellRun, Outcome
    from sandbox.job import Job
    from sandbox.runs.ahead import CellsAhead
    from sandbox.runs.plan import Runs

__all__ = ["Batch"]

# How often the job's own deadline and a request to cancel are looked at.
_LOOK_S = 0.2


class Batch:
    """The runs of one job. What `observer` knows of runs that an earlier attempt has ended is taken over.

    The thread that calls it waits, so that an exception of a soft limit ends the job's time. Each run has a
    thread of its own.
    """

    def __init__(
        self,
        cell_run: CellRun,
        job: Job,
        runs: Runs,
        tags: JobTags,
        observer: Observer,
        ahead: CellsAhead,
    ) -> None:
        self._cell_run = cell_run
        self._ahead = ahead
        self._job = job
        self._runs = runs
        self._tags = tags
        self._observer = observer
        self._stopped: Status | None = None
        self._lock = threading.Lock()
        self._results: dict[int, RunResult] = {
            index: result for index, result in observer.ended_runs().items() if index < len(runs.planned)
        }
        #: The outcome of the last run, if this attempt has run one.
        self.last: Outcome | None = None
        #: The seconds that each step took, over all runs.
        self.laps: dict[str, float] = {}

    def __call__(self) -> list[RunResult]:
        """Run them all. Those that could not be begun have the status that ended the job.

        Raises:
            SandboxUnavailable: the sandbox could not run one of them.
        """
        with ThreadPoolExecutor(self._runs.at_once, thread_name_prefix="cellblock-run") as threads:
            try:
                self._drive(threads)
            except self._cell_run.interrupts:
                self._stopped = Status.TIMED_OUT
            except BaseException:
                self._stopped = Status.CANCELLED
                raise
        return self._in_order()

    def _drive(self, threads: ThreadPoolExecutor) -> None:
        until = time.monotonic() + self._runs.lasts_s(self._cell_run.bound_s)
        going: set[Future[None]] = set()
        for index in range(len(self._runs.planned)):
            while len(going) >= self._runs.at_once:
                going = self._await(going, until)
            if self.unwanted(index):
                break
            if index not in self._results:
                going.add(threads.submit(self._run, index))
        while going:
            going = self._await(going, until)

    def _await(self, going: set[Future[None]], until: float) -> set[Future[None]]:
        """Wait until one of them ends, or a short time. Returns those that go on."""
        done, going = wait(going, _LOOK_S, FIRST_COMPLETED)
        if self._stopped is None and time.monotonic() >= until:
            self._stopped = Status.TIMED_OUT
        if self._stopped is None and self._observer.wants_stop():
            self._stopped = Status.CANCELLED
        for one in done:
            one.result()
        return going

    def _run(self, index: int) -> None:
        if self.unwanted(index):
            return
        run = self._runs.planned[index]
        cell_run = replace(self._cell_run, acquire=partial(self._ahead.acquire, index))
        outcome = cell_run(self._job.as_run(run), self._tags, None, _OfRun(self._observer, self, index))
        result = self._as_stopped(judge_run(outcome, run, self._runs))
        with self._lock:
            self.last = outcome
            self.laps = {name: self.laps.get(name, 0) + lap for name, lap in outcome.laps.items()}
            self._results[index] = result
        if result.status is not Status.CANCELLED:
            self._observer.run_ended(index, result)

    def unwanted(self, index: int) -> bool:
        """Whether this run is to be stopped, or not to be begun."""
        return self._stopped is not None or self._first_failure() < index

    def _first_failure(self) -> int:
        """The first run that was not accepted, if such a run ends the job."""
        if not self._runs.stop_on_failure:
            return len(self._runs.planned)
        failed = (index for index, result in dict(self._results).items() if not is_accepted(result))
        return min(failed, default=len(self._runs.planned))

    def _as_stopped(self, result: RunResult) -> RunResult:
        """The result, with the reason for which the whole job was stopped, if that has stopped the run."""
        if self._stopped is Status.TIMED_OUT and result.status is Status.CANCELLED:
            return replace(result, status=Status.TIMED_OUT, limit=Limit.TIMEOUT)
        return result

    def _in_order(self) -> list[RunResult]:
        planned = self._runs.planned[: self._first_failure() + 1]
        status = self._stopped or Status.CANCELLED
        return [self._results.get(index) or left_out(run, status) for index, run in enumerate(planned)]


class _OfRun(Observer):
    """Tells the job's observer which of the runs it hears."""

    def __init__(self, observer: Observer, batch: Batch, index: int) -> None:
        self._observer = observer
        self._batch = batch
        self._index = index

    def placed(self, info: CellInfo) -> None:
        self._observer.placed(info)

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        self._observer.heard(stream, data, self._index)

    def wants_stop(self) -> bool:
        return self._batch.unwanted(self._index) or self._observer.wants_stop()
