"""Detects a job that stands still at its memory limit, although the kernel kills none of its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Starvation"]

# If file pages take less than this share of the limit, the page cache is not what fills the cell.
_CACHE_SHARE = 0.05
_FULL_SHARE = 0.99
_FAULTS_PER_SAMPLE = 100
_SAMPLES = 2


class Starvation:
    """Judges the engine's memory samples, one for each second.

    At the memory limit the kernel first reclaims the pages of programs and libraries, and reads them back
    from disk a moment later. As long as it can reclaim a page, it kills no process. Then the job stands still
    until its time limit and keeps the disk busy. The signs are a full cell, hardly any file pages, and many
    major page faults.
    """

    def __init__(self) -> None:
        self._faults: int | None = None
        self._hungry = 0

    def feed(self, memory: Mapping[str, Any]) -> bool:
        """Whether, with this sample (`memory_stats` of the engine's API), the job has starved long enough."""
        stats = memory.get("stats", {})
        faults = stats.get("pgmajfault", 0)
        fresh = 0 if self._faults is None else faults - self._faults
        self._faults = faults
        files = stats.get("active_file", 0) + stats.get("inactive_file", 0)
        limit = memory.get("limit", 0)
        is_full = memory.get("usage", 0) > _FULL_SHARE * limit > 0 and files < _CACHE_SHARE * limit
        self._hungry = self._hungry + 1 if is_full and fresh >= _FAULTS_PER_SAMPLE else 0
        return self._hungry >= _SAMPLES
