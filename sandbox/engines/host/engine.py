"""Runs commands directly on the worker's host: the legacy mode, which isolates nothing."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.engine import OpenCell
from sandbox.engines.host.cell import HostCell
from sandbox.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from config.hosts import Host
    from sandbox.engines.engine import CellSpec, FoundCell, Stream
    from sandbox.limits import Limits

__all__ = ["HostEngine"]


class HostEngine:
    """Gives each job an empty folder, the same time and output limits as in a cell, and no isolation."""

    # A job's processes have ended before its result exists.
    removes_slowly = False
    makes_slowly = False

    def __init__(self) -> None:
        self._cells: dict[str, tuple[HostCell, tempfile.TemporaryDirectory[str]]] = {}

    def make(self, spec: CellSpec) -> OpenCell:
        """Make a folder for a job."""
        folder = tempfile.TemporaryDirectory(prefix="cellblock-", ignore_cleanup_errors=True)
        self._cells[spec.name] = HostCell(Path(folder.name)), folder
        return OpenCell(spec.name, HostCell.info)

    def cell(self, opened: OpenCell) -> HostCell:
        """The job's processes."""
        return self._cells[opened.name][0]

    def adopt(self, descriptors: Sequence[int]) -> tuple[Stream, ...]:
        """None: the job's streams are those of its processes."""
        return ()

    def adapt(self, opened: OpenCell, limits: Limits) -> NoReturn:
        """Raise `EngineFailed`: no limit of memory or CPU holds on the host."""
        raise EngineFailed("The legacy mode has no limits of memory and CPU that could be changed.")

    def open_egress(
        self, cell: str, hosts: Sequence[Host], limits: Limits, labels: Mapping[str, str]
    ) -> NoReturn:
        """Raise `EngineFailed`: a list of hosts needs a cell. The request is refused before it gets here."""
        raise EngineFailed("The legacy mode can't keep a job to a list of hosts.")

    def remove(self, name: str, *, ends: bool = False) -> None:
        """Kill the processes that are left, and remove the folder. Do nothing if that was done."""
        if name in self._cells:
            cell, folder = self._cells.pop(name)
            with folder:
                cell.destroy()
                cell.close()
                # To look what is in it takes three times as long. Most jobs leave nothing.
                with suppress(OSError):
                    os.rmdir(folder.name)  # noqa: PTH106  half of Path's time

    def list(self) -> list[FoundCell]:
        """No cells. If a worker dies before it removes its folders, the host must remove them."""
        return []

    def now(self) -> float:
        """The time of the host."""
        return time.time()

    def ping(self) -> None:
        """Do nothing: the host is always available."""

    def close(self) -> None:
        """Do nothing: nothing is kept open between jobs."""
