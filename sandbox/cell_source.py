"""Gives each job its cell: a warm one if the job fits into it, else a new one."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sandbox.engines import open_engine
from sandbox.engines.clock import EngineClock
from sandbox.engines.engine import CellSpec, egress_names, new_name
from sandbox.errors import EngineUnfit, EngineUnreachable, SandboxUnavailable
from sandbox.labels import new_labels
from sandbox.limits import warm_limits
from sandbox.outage import Outage
from sandbox.remover import Remover

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config import Runtime, Settings
    from sandbox.cell import Cell, JobTags
    from sandbox.engines.engine import Engine, OpenCell, Stream
    from sandbox.job import Job
    from sandbox.limits import Limits
    from sandbox.warm import KeeperClient, WarmPool

__all__ = ["CellSource"]

# A cell that was asked for earlier than this may have ended since.
_FRESH_S = 1.0


class CellSource:
    """Makes or claims cells on one engine, and removes each of them after use."""

    def __init__(
        self, settings: Settings, engine: Engine, pool: KeeperClient | WarmPool | None = None
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._pool = pool
        self._asked_at = 0.0
        self._limits: dict[str, Limits] = {}
        self._clock = EngineClock(engine.now)
        self._remover = Remover(partial(open_engine, settings))

    @property
    def are_slow(self) -> bool:
        """Whether a cell takes far more processor time to make than a short job."""
        return self._engine.makes_slowly

    @contextmanager
    def ahead(self, job: Job) -> Iterator[None]:
        """Ask for the job's warm cell now. In the block the job `acquire`s it, or it is removed.

        Only one thread of this process may run jobs meanwhile.
        """
        try:
            if self._pool is not None and self._may_be_warm(job):
                self._asked_at = time.monotonic()
                self._pool.ask(job.runtime.name)
            yield
        finally:
            self._drop_asked()

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[Cell]:
        """A started cell for `job`, removed when the block is left.

        Raises:
            SandboxUnavailable: no engine, no image, or the engine failed. No cell is left then.
        """
        opened = self._claim(job) or self._make(job, tags)
        try:
            with self._egress(job, tags, opened) as env:
                yield self._engine.cell(replace(opened, env={**opened.env, **env}) if env else opened)
        finally:
            self._remove(opened.name, opened.streams)

    def outage(self, error: SandboxUnavailable, since: float) -> Outage | None:
        """The outage that caused `error` in a job that began at `since`, a time of the monotonic clock.

        None: the engine answers, and as far as is known it has answered all the time since then. The engine
        is asked whatever the error was: a cell may close because of the engine or of its job.
        """
        if isinstance(error, EngineUnfit):
            return Outage(error)
        try:
            self._engine.ping()
        except EngineUnreachable as away:
            return Outage(away)
        # It may have been back before the keeper looked.
        was_absent = isinstance(error, EngineUnreachable) and error.is_absent
        was_away = was_absent or (self._pool is not None and self._pool.last_away() > since)
        return Outage(error, is_over=True) if was_away else None

    def warm_up(self, within_s: float) -> bool:
        """Whether this process's own pool of warm cells, if it has one, is full within `within_s` seconds."""
        return self._pool is None or self._pool.wait_until_full(within_s)

    def settle(self) -> None:
        """Wait until the cells of all jobs that have ended are gone."""
        self._remover.settle()

    def close(self) -> None:
        """Wait until every cell of this process is gone, then close the connections. No job may run."""
        if self._pool:
            self._pool.close()
        self._remover.close()
        self._engine.close()

    def _claim(self, job: Job) -> OpenCell | None:
        """A warm cell that the job fits into, if there is one. Its memory and CPU limits become the job's."""
        if self._pool is None or not self._may_be_warm(job):
            return None
        if time.monotonic() > self._asked_at + _FRESH_S:
            self._drop_asked()
        limits, warm = job.limits, self._warm_limits(job.runtime)
        opened = self._pool.claim(job.runtime.name)
        if opened is None or (limits.memory_bytes, limits.cpus) == (warm.memory_bytes, warm.cpus):
            return opened
        try:
            self._engine.adapt(opened, limits)
        except SandboxUnavailable:
            self._remove(opened.name, opened.streams)
            return None
        return replace(opened, env=job.runtime.environment(job.limits.memory_bytes))

    def _may_be_warm(self, job: Job) -> bool:
        # A warm cell has its runtime's own image, which a compiler's may not be.
        if job.network is True or job.compiles:
            return False
        limits, warm = job.limits, self._warm_limits(job.runtime)
        return (limits.pids, limits.disk_bytes) == (warm.pids, warm.disk_bytes)

    def _warm_limits(self, runtime: Runtime) -> Limits:
        # To compute them takes longer than to look for settings that never change.
        if runtime.name not in self._limits:
            self._limits[runtime.name] = warm_limits(runtime, self._settings)
        return self._limits[runtime.name]

    def _drop_asked(self) -> None:
        if self._pool is not None and (opened := self._pool.asked()):
            self._remove(opened.name, opened.streams)

    def _make(self, job: Job, tags: JobTags) -> OpenCell:
        # The cell of a job with a list of hosts has no network either: its relay joins the cell's namespace.
        network = job.network is True
        spec = CellSpec(new_name(), job.runtime, job.limits, self._labels(job, tags), network=network)
        try:
            return self._engine.make(spec)
        except BaseException:
            # The name is enough: the engine may have made the cell although the call failed.
            self._remove(spec.name)
            raise

    @contextmanager
    def _egress(self, job: Job, tags: JobTags, opened: OpenCell) -> Iterator[Mapping[str, str]]:
        """Open a way to the job's list of hosts, and give its variables. It is closed after the block."""
        if isinstance(job.network, bool):
            yield {}
            return
        egress, labels = None, self._labels(job, tags)
        try:
            egress = self._engine.open_egress(opened.name, job.network, job.limits, labels)
            yield egress.env
        finally:
            for name in egress_names(opened.name):
                self._remove(name, (egress.streams[name],) if egress else ())

    def _remove(self, name: str, streams: tuple[Stream, ...] = ()) -> None:
        if self._engine.removes_slowly:
            self._remover.remove(name, streams)
        else:
            for stream in streams:
                stream.close()
            self._engine.remove(name)

    def _labels(self, job: Job, tags: JobTags) -> dict[str, str]:
        return new_labels(
            owner=self._settings.owner,
            runtime=job.runtime.name,
            state="job",
            deadline=self._clock.now() + job.ladder(self._settings.engine_margin).reap_s,
            limits=job.limits.text,
            task=tags.task_id,
            worker=tags.worker,
        )
