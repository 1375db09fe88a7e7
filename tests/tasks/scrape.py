"""Reads a worker's metrics as Prometheus does."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Metrics"]

_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics that are served on a port of this host."""

    port: int

    def value(self, name: str, **labels: str) -> float:
        """The sum of the series with this name and these labels; 0 if there is none."""
        return sum(
            value for sample, has, value in self._samples() if sample == name and labels.items() <= has
        )

    def rises(self, name: str, since: float = 0, /, **labels: str) -> float:
        """Wait until the value is more than `since`, and return it."""
        what = f"{name}{labels} is more than {since:g}"
        return wait_until(lambda: (now := self.value(name, **labels)) > since and now, _WITHIN_S, what)

    def becomes(self, value: float, name: str, **labels: str) -> None:
        """Wait until the value is exactly `value`."""
        wait_until(lambda: self.value(name, **labels) == value, _WITHIN_S, f"{name}{labels} is {value:g}")

    def _samples(self) -> Iterator[tuple[str, set[tuple[str, str]], float]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as page:
            text = page.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, set(sample.labels.items()), sample.value
