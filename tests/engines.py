"""The engines on which the same tests run: conformance, hostile jobs and what else all engines share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from sandbox.engines import open_engine

if TYPE_CHECKING:
    from config import Settings

__all__ = ["ENGINES", "cells_of"]

#: The engines that isolate a job, by the names in the tests' ids, each with the fixture of its sandbox.
ENGINES = {"docker": "sandbox", "oci+crun": "crun", "oci+runc": "runc"}


def cells_of(settings: Settings) -> list[str]:
    """The names of all cells that an engine with these settings lists."""
    with closing(open_engine(settings)) as engine:
        return [cell.name for cell in engine.list()]
