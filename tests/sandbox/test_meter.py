"""Measurements that a process sends to the collector."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import EngineFailed, meter

LOST = "cellblock_measurements_lost_total"


@pytest.fixture(autouse=True)
def _nothing_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "_lost", 0)


@pytest.fixture
def collector() -> Iterator[socket.socket]:
    """The socket on which the collector receives the measurements of this process."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    near.settimeout(10)
    with near, far:
        meter.report_to(far)
        yield near
        meter.report_to(None)


def told(collector: socket.socket) -> Any:
    return json.loads(collector.recv(1 << 16))


def fill() -> None:
    """Send measurements until the socket's buffer is full."""
    before = meter._lost
    while meter._lost == before:
        meter.measure("filler")


def test_nothing_is_told_until_there_is_somebody_to_tell() -> None:
    assert meter.descriptor() is None
    meter.measure("one")
    meter.report([("one", 1, {})])
    assert meter._lost == 0


def test_a_measurement_has_its_name_its_value_and_its_labels(collector: socket.socket) -> None:
    assert meter.descriptor() is not None
    meter.measure("one", 2.5, runtime="bash")
    assert told(collector) == [["one", 2.5, {"runtime": "bash"}]]
    meter.measure("one")
    assert told(collector) == [["one", 1.0, {}]]


def test_an_error_is_counted_by_who_met_it_and_its_kind(collector: socket.socket) -> None:
    meter.count_error("job", EngineFailed("no"))
    assert told(collector) == [
        ["cellblock_engine_errors_total", 1.0, {"where": "job", "error": "EngineFailed"}]
    ]


def test_what_found_no_room_is_counted_and_told_once(
    collector: socket.socket,
) -> None:
    fill()
    meter.report([("a", 1, {}), ("b", 1, {})])
    meter.measure("c")
    collector.setblocking(False)
    while True:
        try:
            collector.recv(1 << 16)
        except BlockingIOError:
            break
    meter.measure("d")
    # Four are lost: the last one of the filler, the two of the report, and "c".
    assert told(collector) == [["d", 1.0, {}], [LOST, 4, {}]]
    meter.measure("e")
    assert told(collector) == [["e", 1.0, {}]]


def test_a_collector_that_is_gone_is_no_error() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with far:
        near.close()
        meter.report_to(far)
        try:
            meter.measure("one")
        finally:
            meter.report_to(None)
    assert meter._lost == 1
