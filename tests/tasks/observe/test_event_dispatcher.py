"""When a worker publishes its events, and when it drops them."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu import Connection

from tasks.delivery.transport import Transport
from tasks.observe.event_dispatcher import BatchedEvents
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis


class Later:
    """Keeps what is to be called, and after how many seconds."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, delay_s: float, call: Callable[[], None]) -> None:
        self.calls.append((delay_s, call))

    def run(self) -> float:
        """Call the only one, and return its delay."""
        ((delay_s, call),) = self.calls
        self.calls.clear()
        call()
        return delay_s


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def events(broker_url: str, later: Later) -> Iterator[Any]:
    """Gives a worker's dispatcher on a real Redis."""
    with Celery(set_as_current=False) as app, Connection(broker_url, transport=Transport) as connection:
        yield BatchedEvents(
            connection,
            app=app,
            buffer_group=["task"],
            on_send_buffered=lambda: made[0].flush_later(later),
        )


made: list[Any] = []


@pytest.fixture
def job(events: Any) -> Callable[[str], None]:
    """Sends one event of a job."""
    made[:] = [events]
    return lambda uuid: events.send("task-started", uuid=uuid)


def _heard(monitor: Any) -> list[str]:
    """The ids of the jobs in the next batch that the monitor gets."""
    found: list[str] = []

    def hear() -> bool:
        got = monitor.get_message()
        if got and got["type"] == "pmessage":
            batch = json.loads(b64decode(json.loads(got["data"])["body"]))
            found.extend(one["uuid"] for one in batch)
        return bool(found)

    wait_until(hear, 5, "a batch comes")
    return found


@contextmanager
def listening(database: Any) -> Iterator[Any]:
    """Give a monitor of this test's database. The monitors of other tests may still be listening."""
    with database.pubsub() as monitor:
        monitor.psubscribe(f"/{database.get_connection_kwargs()['db']}.celeryev*")
        wait_until(monitor.get_message, 5, "it listens")
        yield monitor


def test_events_of_jobs_are_published_together_after_a_tenth_of_a_second(
    database: redis.Redis, job: Callable[[str], None], later: Later
) -> None:
    with listening(database) as monitor:
        job("a")
        job("b")
        assert later.run() == 0.1
        assert _heard(monitor) == ["a", "b"]


def test_events_that_nobody_hears_are_dropped_and_no_more_than_one_question_a_second_is_asked(
    events: Any, job: Callable[[str], None], later: Later
) -> None:
    job("a")
    later.run()
    job("b")
    assert later.run() == 1.0
    assert not any(events._group_buffer.values())


def test_a_monitor_that_begins_to_listen_gets_the_events_of_the_last_second(
    events: Any, job: Callable[[str], None], later: Later, database: redis.Redis
) -> None:
    job("a")
    later.run()
    job("b")
    with listening(database) as monitor:
        later.run()
        assert _heard(monitor) == ["b"]
    job("c")
    assert later.calls[0][0] == 0.1


def test_a_worker_that_ends_publishes_what_waits(
    database: redis.Redis, events: Any, job: Callable[[str], None]
) -> None:
    with listening(database) as monitor:
        job("last")
        events.close()
        assert _heard(monitor) == ["last"]
