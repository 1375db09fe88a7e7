"""The sandbox of one process: the engine that the settings ask for, ready to run jobs."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Self

from config import load_catalogue, load_settings
from sandbox.blob_inputs import with_blobs
from sandbox.cell import JobTags
from sandbox.cell_run import CellRun
from sandbox.cell_source import CellSource
from sandbox.engines import open_engine
from sandbox.job import Job, parse_job
from sandbox.observer import Observer
from sandbox.request import check_names
from sandbox.run import Run

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from config import Settings
    from sandbox.blobs import BlobStore
    from sandbox.errors import SandboxUnavailable
    from sandbox.outage import Outage
    from sandbox.result import Result

__all__ = ["Sandbox"]


class Sandbox:
    r"""Runs jobs in this process, without a broker. A context: leaving it waits until every cell is gone.

    If `keeper`, the path of a keeper's socket, is given, warm cells come from that keeper. Otherwise this
    process keeps those that the settings ask for. `interrupts` are exceptions that end a job's time. `blobs`
    is the store for refs and workspaces.

    >>> with Sandbox() as sandbox:
    ...     sandbox.run("echo hello", "bash").stdout
    'hello\\n'
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        keeper: str | None = None,
        interrupts: tuple[type[Exception], ...] = (),
        blobs: BlobStore | None = None,
    ) -> None:
        self.settings = settings or load_settings()
        self.catalogue = load_catalogue(self.settings.runtimes)
        self._blobs = blobs
        self._cells = _cell_source(self.settings, keeper)
        cell_run = CellRun(self._cells.acquire, self.settings.engine_margin, interrupts)
        self._run = Run(
            cell_run,
            self.settings.max_artifacts,
            self.settings.engine_name,
            cells_are_slow=self._cells.are_slow,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def run(self, cmd: str | list[str] | None, runtime: str | None = None, **request: object) -> Result:
        """Run a command; the arguments are those of `cellblock.run_sandboxed`.

        Raises:
            InvalidJob: the request is refused, or its files do not fit into the cell.
            SandboxUnavailable: the sandbox could not run the job.
        """
        return self.run_job(self.parse(cmd, runtime, **request))

    def parse(self, cmd: object, runtime: object = None, **request: object) -> Job:
        """The job that a request describes, under this sandbox's settings."""
        check_names(request)
        return parse_job(cmd, runtime, settings=self.settings, catalogue=self.catalogue, **request)

    def run_job(
        self,
        job: Job,
        tags: JobTags | None = None,
        observer: Observer | None = None,
        blobs: BlobStore | None = None,
    ) -> Result:
        """Run a parsed job, which `observer` follows. `tags` describe its task, if any.

        `blobs` is the store of the job's tenant, instead of the sandbox's own.
        """
        job = with_blobs(job, blobs or self._blobs)
        return self._run(job, tags or JobTags(), observer or Observer())

    def ahead(self, job: Job) -> AbstractContextManager[None]:
        """Ask for the cell of `job` now, before something that takes a while. In the block the job may run.

        It has an effect only where the job has one cell, and one thread of this process runs all jobs.
        """
        runs_alone = threading.current_thread() is threading.main_thread()
        has_one_cell = job.compile is None and job.runs is None
        return self._cells.ahead(job) if runs_alone and has_one_cell else nullcontext()

    def outage(self, error: SandboxUnavailable, since: float) -> Outage | None:
        """The outage that caused `error` in a job that began at `since`, by the monotonic clock.

        None: the engine answers, and was not away since then.
        """
        return self._cells.outage(error, since)

    def warm_up(self, within_s: float) -> bool:
        """Wait at most `within_s` seconds for this process's warm cells; whether all of them are there."""
        return self._cells.warm_up(within_s)

    def settle(self) -> None:
        """Wait until the cells of all jobs that have ended are removed. Results do not wait for that."""
        self._cells.settle()

    def close(self) -> None:
        """Wait until every cell is gone, and close the connections."""
        self._cells.close()


def _cell_source(settings: Settings, keeper: str | None) -> CellSource:
    # Imported here, because an app that only checks requests needs no warm cells.
    from sandbox.warm import KeeperClient, WarmPool

    engine = open_engine(settings)
    if keeper:
        return CellSource(settings, engine, KeeperClient(keeper, engine.adopt))
    pool = WarmPool(settings) if settings.isolates and settings.warm_sizes.any else None
    return CellSource(settings, engine, pool)
