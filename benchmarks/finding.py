"""The result of a benchmark: a table, the raw numbers, and a plot where it helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result. `name` is its marker in the pages, and the start of the file names of its figures."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    raw: Any
    notes: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
