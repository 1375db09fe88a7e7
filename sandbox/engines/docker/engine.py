"""Cells that are Docker containers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.engines.docker.cell import DockerCell
from sandbox.engines.docker.client import connect, mapped_errors
from sandbox.engines.docker.egress import open_outlet, outlet_names
from sandbox.engines.docker.maker import DockerMaker, Labels, new_name
from sandbox.engines.docker.ping import ping
from sandbox.errors import EngineUnfit, EngineUnreachable, SandboxUnavailable
from sandbox.outage import Outage
from sandbox.profile import cpu_quota
from sandbox.remover import Remover
from sandbox.warm.pool import warm_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

    from config import Settings
    from sandbox.cell import JobTags
    from sandbox.engines.docker.maker import OpenCell
    from sandbox.job import Job
    from sandbox.limits import Limits
    from sandbox.warm import Claim, ClaimPool

__all__ = ["DockerEngine"]


class DockerEngine:
    """Gives each job a hardened container, a warm one if it fits, and removes it whatever happened in it.

    Each process needs an instance of its own, because a connection does not survive a fork.
    """

    def __init__(self, settings: Settings, pool: ClaimPool | None = None) -> None:
        self._settings = settings
        self._pool = pool
        self._lock = threading.Lock()
        self._connection: docker.APIClient | None = None
        self._made: DockerMaker | None = None
        self._remover = Remover(lambda: connect(settings), bound_s=settings.engine_margin)

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[DockerCell]:
        """A started container with its streams attached, removed when the block is left.

        Raises:
            SandboxUnavailable: no engine, no image, or the engine failed. No container is left then.
        """
        opened = self._claim(job) or self._make(job, tags)
        try:
            with self._way_out(job, tags, opened) as env:
                opened = replace(opened, env={**opened.env, **env})
                yield DockerCell(opened, self._client, bound_s=self._settings.engine_margin)
        finally:
            self._remover.remove(opened.name, opened.connection)

    def outage(self, error: SandboxUnavailable, since: float) -> Outage | None:
        """The outage if the engine can make no cell, does not answer now, or did not at a time after `since`.

        The engine is asked whatever the error was: a cell may close because of the engine or of its job.
        """
        if isinstance(error, EngineUnfit):
            return Outage(error)
        try:
            ping(self._settings)
        except EngineUnreachable as away:
            return Outage(away)
        was_away = self._pool is not None and self._pool.last_away() > since
        return Outage(error, is_over=True) if was_away else None

    def warm_up(self, within_s: float) -> bool:
        """Whether this process's own pool of warm cells, if it has one, is full within `within_s` seconds."""
        return self._pool is None or self._pool.wait_until_full(within_s)

    def settle(self) -> None:
        """Wait until the containers of all jobs that have ended are gone."""
        self._remover.settle()

    def close(self) -> None:
        """Wait until every container of this process is gone, then close the connection."""
        if self._pool:
            self._pool.close()
        self._remover.close()
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = self._made = None

    def _client(self) -> docker.APIClient:
        with self._lock:
            self._connection = self._connection or connect(self._settings)
            return self._connection

    def _maker(self) -> DockerMaker:
        client = self._client()
        if self._made is None:
            self._made = DockerMaker(client, self._settings)
        return self._made

    @contextmanager
    def _way_out(self, job: Job, tags: JobTags, opened: OpenCell) -> Iterator[Mapping[str, str]]:
        """The relay and the proxy of a job with a list of hosts, removed when the block is left."""
        if isinstance(job.network, bool):
            yield {}
            return
        outlet, labels = None, self._maker().written(job.runtime, self._labels(job, tags), job.limits)
        try:
            outlet = open_outlet(self._client(), self._settings, opened.name, job.network, job.limits, labels)
            yield outlet.env
        finally:
            for name in outlet_names(opened.name):
                self._remover.remove(name, outlet.connections[name] if outlet else None)

    def _labels(self, job: Job, tags: JobTags) -> Labels:
        deadline = self._maker().clock.now() + job.ladder(self._settings.engine_margin).reap_s
        return Labels(state="job", deadline=deadline, task=tags.task_id, worker=tags.worker)

    def _make(self, job: Job, tags: JobTags) -> OpenCell:
        maker, name, labels = self._maker(), new_name(), self._labels(job, tags)
        # The cell of a job with a list of hosts has no network either: its relay joins the cell's namespace.
        network = "bridge" if job.network is True else None
        try:
            return maker.make(name, job.runtime, job.limits, labels, network=network)
        except BaseException:
            # Removed by its name: the engine may have made it although the create call was given up.
            self._remover.remove(name)
            raise

    def _claim(self, job: Job) -> Claim:
        """A warm cell that the job fits into, if there is one. Its memory and CPU limits become the job's."""
        if self._pool is None or job.network is True or not _fits(job.limits, self._warm(job)):
            return None
        opened = self._pool.claim(job.runtime.name)
        if opened is None or _is_same(job.limits, self._warm(job)):
            return opened
        try:
            self._adapt(opened, job.limits)
        except SandboxUnavailable:
            self._remover.remove(opened.name, opened.connection)
            return None
        return replace(opened, env=job.runtime.environment(job.limits.memory_bytes))

    def _warm(self, job: Job) -> Limits:
        return warm_limits(job.runtime, self._settings)

    def _adapt(self, opened: OpenCell, limits: Limits) -> None:
        """Change the memory and CPU limits of a running container, which takes an engine about 15 ms."""
        cpu = cpu_quota(limits)
        with mapped_errors("adapt a warm cell"):
            self._client().update_container(
                opened.name,
                mem_limit=limits.memory_bytes,
                memswap_limit=limits.memory_bytes,
                cpu_period=cpu["cpu_period"],
                cpu_quota=cpu["cpu_quota"],
            )


def _fits(limits: Limits, warm: Limits) -> bool:
    return (limits.pids, limits.disk_bytes) == (warm.pids, warm.disk_bytes)


def _is_same(limits: Limits, warm: Limits) -> bool:
    return (limits.memory_bytes, limits.cpus) == (warm.memory_bytes, warm.cpus)
