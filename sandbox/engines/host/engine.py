"""Runs commands directly on the worker's host: the legacy mode, which isolates nothing."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.host.cell import HostCell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cell import JobTags
    from sandbox.errors import SandboxUnavailable
    from sandbox.job import Job

__all__ = ["HostEngine"]


class HostEngine:
    """Gives each job an empty folder, the same time and output limits as in a cell, and no isolation."""

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[HostCell]:
        """A cell with a folder for `job`. Processes that are left are killed when the block is left."""
        with tempfile.TemporaryDirectory(prefix="cellblock-", ignore_cleanup_errors=True) as folder:
            cell = HostCell(Path(folder))
            try:
                yield cell
            finally:
                cell.destroy()
                cell.close()

    def outage(self, error: SandboxUnavailable, since: float) -> None:
        """None: the host is always available."""

    def warm_up(self, within_s: float) -> bool:
        """True: nothing is kept warm."""
        return True

    def settle(self) -> None:
        """Do nothing: a job's processes are gone before its result is there."""

    def close(self) -> None:
        """Do nothing: nothing is held between jobs."""
