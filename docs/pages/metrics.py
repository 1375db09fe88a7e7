"""The page about metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.pages.source import table
from tasks.observe.metric_catalogue import API, METRICS, SAMPLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.observe.metric_catalogue import Metric

__all__ = ["metrics_page"]

_HEAD = """# Metrics

A worker serves these metrics to Prometheus if `CELLBLOCK_METRICS_PORT` is set, and so does `cellblock api`:
see [Monitor workers](../how-to/monitor.md). A histogram has the series `_bucket`, `_sum` and `_count`.
"""


def metrics_page() -> str:
    """The tables of all metrics."""
    return (
        f"{_HEAD}\n## Reported by its processes\n\n{_table(METRICS)}"
        f"\n## Looked up when Prometheus asks\n\n{_table(SAMPLED)}"
        f"\n## Of the HTTP API\n\n{_table(API)}"
    )


def _table(metrics: Iterable[Metric]) -> str:
    return table(("metric", "kind", "labels", "meaning"), map(_row, metrics))


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"`{metric.name}`", metric.kind, labels, metric.meaning
