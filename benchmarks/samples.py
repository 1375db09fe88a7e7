"""Statistics of measured times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Spread", "spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds by nearest rank. With fewer than a hundred samples p99 is the slowest sample."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def to_dict(self) -> dict[str, float]:
        """The numbers as a dictionary for JSON."""
        return asdict(self)


def spread(seconds: Sequence[float]) -> Spread:
    """The spread of these times, given in seconds."""
    ordered = sorted(seconds)
    return Spread(
        len(ordered),
        round(statistics.median(ordered) * 1000, 2),
        round(_ranked(ordered, 0.95) * 1000, 2),
        round(_ranked(ordered, 0.99) * 1000, 2),
    )


def _ranked(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
