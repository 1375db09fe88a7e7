"""Whether `doctor` sees the workers that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.programs import Worker

    Examine = Callable[..., list[dict[str, Any]]]


def test_a_worker_is_seen_with_its_queues(worker: Worker, examine: Examine) -> None:
    (found,) = examine("workers", CELLBLOCK_BROKER_URL=worker.broker_url)
    assert (found["level"], found["message"]) == ("ok", "1 worker takes jobs from celery, cellblock")


def test_no_worker_is_a_warning(broker_url: str, examine: Examine) -> None:
    (found,) = examine("workers", CELLBLOCK_BROKER_URL=broker_url)
    assert (found["level"], found["mend"]) == ("warning", "cellblock worker")


def test_workers_that_take_from_elsewhere_are_a_warning(worker: Worker, examine: Examine) -> None:
    (found,) = examine("workers", CELLBLOCK_BROKER_URL=worker.broker_url, CELLBLOCK_QUEUES="other")
    assert (found["level"], "no worker takes from 'other'" in found["message"]) == ("warning", True)
