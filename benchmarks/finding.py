"""What a measurement found: a table for people, the numbers for programs, and a plot where one helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`name` is the mark in the pages that it belongs to, and the stem of its figures' files."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    raw: Any
    notes: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
