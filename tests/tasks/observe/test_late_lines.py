"""The line of a received message, which its job does not wait for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from celery.app.trace import LOG_RECEIVED
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from tasks.observe.logs import format_lines

if TYPE_CHECKING:
    from collections.abc import Iterator


class Written(logging.Handler):
    """A handler of a worker's log. It keeps what it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logger = logging.getLogger(f"worker-{id(self)}")
        logger.addHandler(self)
        format_lines(logger)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def hub() -> Iterator[Hub]:
    before = get_event_loop()
    one = Hub()
    set_event_loop(one)
    yield one
    one.close()
    set_event_loop(before)


def received(task_id: str) -> logging.LogRecord:
    return line(LOG_RECEIVED, {"name": "job", "id": task_id})


def line(text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("celery.worker.strategy", logging.INFO, "", 0, text, arguments, None)


def test_the_line_is_written_in_the_loops_next_iteration(hub: Hub) -> None:
    log = Written()
    log.handle(received("1"))
    log.handle(received("2"))
    assert log.lines == []
    hub.call_soon(hub.stop)
    hub.run_forever()
    assert log.lines == ["Task job[1] received", "Task job[2] received"]


def test_it_is_written_before_any_later_line(hub: Hub) -> None:
    log = Written()
    for record in (received("1"), received("2"), line("Discarding it")):
        log.handle(record)
    assert log.lines == ["Task job[1] received", "Task job[2] received", "Discarding it"]


def test_it_is_written_at_the_end_of_the_loop(hub: Hub) -> None:
    log = Written()
    log.handle(received("1"))
    hub.close()
    assert log.lines == ["Task job[1] received"]


def test_a_process_that_is_forked_meanwhile_leaves_it_to_its_parent(hub: Hub) -> None:
    log, of_parent = Written(), received("1")
    of_parent.process = 1
    for record in (of_parent, line("I have started")):
        log.handle(record)
    assert log.lines == ["I have started"]


def test_without_an_event_loop_it_is_written_at_once(hub: Hub) -> None:
    hub.close()
    log = Written()
    log.handle(received("1"))
    assert log.lines == ["Task job[1] received"]
