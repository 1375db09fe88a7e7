"""How long a job waits before it is tried again."""

from __future__ import annotations

import random

__all__ = ["back_off_s", "longest_back_off_s"]

_SPREAD = 1.5


def back_off_s(retries: int) -> float:
    """One second, doubled at each retry, plus a random part of up to half, so that workers spread out."""
    return float(2**retries) * random.uniform(1.0, _SPREAD)  # noqa: S311  not a secret


def longest_back_off_s(retries: int) -> float:
    """The most that `back_off_s` gives."""
    return float(2**retries) * _SPREAD
