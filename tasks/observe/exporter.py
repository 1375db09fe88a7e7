"""Serves the metrics of a worker to Prometheus, from its main process, for all of its processes."""

from __future__ import annotations

import json
import os
import socket
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sandbox import meter
from sandbox.threads import start_thread
from tasks.observe.metric_catalogue import METRICS, SAMPLED, Kind, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox.meter import Measurement
    from tasks.observe.queue_depth import QueueDepth

__all__ = ["Exporter", "ServedMetrics", "make_family"]

_BATCH_BYTES = 1 << 16
# From the start of a warm cell to the longest job.
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
# The family of each kind of metric, and how it notes a measurement.
_FAMILIES: dict[Kind, Any] = {
    Kind.COUNTER: Counter,
    Kind.GAUGE: Gauge,
    Kind.HISTOGRAM: partial(Histogram, buckets=_BUCKETS_S),
}
_NOTES: dict[Any, Any] = {Counter: Counter.inc, Gauge: Gauge.set, Histogram: Histogram.observe}


class Exporter:
    """Adds up the measurements that processes send to the socket `far`, and serves the sums over HTTP.

    When a process ends, its measurements stay counted, and it leaves no file to clean up.
    """

    def __init__(self, address: str, port: int, sample: Callable[[], Iterable[Measurement]]) -> None:
        """Listen on `address` and `port`. `sample` returns the values of `SAMPLED` at each scrape.

        Raises:
            OSError: it can't listen on that address and port.
        """
        # Else each counter has a second series with its creation time.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        # Registered first: it drops the values of a dead keeper before they are read.
        self._registry.register(_Sampled(sample, self))
        self._families = {metric.name: make_family(metric, self._registry) for metric in METRICS}
        self._pid = os.getpid()
        self._server, self._thread = start_http_server(port, address, self._registry)
        self._near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._counter = start_thread(self._count, name="cellblock-metrics")

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._server.server_port

    def leave(self) -> None:
        """In a forked child: close the parent's sockets. Else the port stays in use after the parent ends."""
        if os.getpid() != self._pid:
            self._server.socket.close()
            self._near.close()

    def forget(self, metric: str) -> None:
        """Drop all values of a metric with labels."""
        self._families[metric].clear()

    def close(self) -> None:
        """Stop serving and counting."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        # An empty datagram ends the counting thread. No process sends one.
        self.far.send(b"")
        self._counter.join()
        self.far.close()
        self._near.close()

    def _count(self) -> None:
        while batch := self._near.recv(_BATCH_BYTES):
            for name, value, labels in json.loads(batch):
                family = self._families[name]
                _NOTES[type(family)](family.labels(**labels) if labels else family, value)


@dataclass(frozen=True, slots=True)
class ServedMetrics:
    """The metrics of a worker, while they are served. The processes of the worker report to them."""

    exporter: Exporter
    queue_depth: QueueDepth

    def close(self) -> None:
        """Stop serving."""
        meter.report_to(None)
        self.exporter.close()
        self.queue_depth.close()


def make_family(metric: Metric, registry: CollectorRegistry) -> Any:  # noqa: ANN401  one of three
    """The counter, gauge or histogram of prometheus-client for a metric."""
    family = _FAMILIES[metric.kind](metric.name, metric.meaning, metric.labels, registry=registry)
    for values in metric.known:
        family.labels(*values)
    return family


class _Sampled(Collector):
    """Takes its samples at each scrape."""

    def __init__(self, sample: Callable[[], Iterable[Measurement]], exporter: Exporter) -> None:
        self._sample = sample
        self._exporter = exporter

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The metrics without values, so that registering the collector takes no samples yet."""
        for metric in SAMPLED:
            yield GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The current samples."""
        samples = defaultdict(list)
        for name, value, labels in self._sample():
            samples[name].append((value, labels))
        if (0.0, {}) in samples["cellblock_keeper_up"]:
            self._exporter.forget("cellblock_warm_cells")
            self._exporter.forget("cellblock_warm_cells_wanted")
        for metric in SAMPLED:
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for value, labels in samples[metric.name]:
                family.add_metric([labels[label] for label in metric.labels], value)
            yield family
