"""The list of jobs: those that workers report, those that wait, and where one job is found."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery
from celery.worker import state as of_worker

from tasks import headers, worker_control
from tasks.delivery.unacked import _TAKE
from tasks.observe import job_list, job_lookup
from tasks.observe.job_list import Entry, Queued, jobs_in_queues, jobs_in_workers, runtime_asked_for
from tasks.observe.job_lookup import JobLookup
from tests.tasks.hostile_messages import TASK, call, envelope
from tests.tasks.requests import request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW: dict[str, Any] = {
    "id": "1",
    "state": "running",
    "runtime": "bash",
    "sent": 1.5,
    "started": 2.5,
    "attempt": 1,
}


def _with(name: str, value: object) -> dict[str, Any]:
    """A worker's answer with one field changed."""
    return {"w@h": [ROW | {name: value}]}


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The list of answers that workers give. A test fills it."""
    replies: list[Any] = []

    def broadcast(command: str, *, reply: bool, timeout: float) -> list[Any]:
        assert (command, reply, timeout) == ("cellblock_jobs", True, 1.0)
        return replies

    monkeypatch.setattr("tasks.observe.job_list.app.control.broadcast", broadcast)
    return replies


def test_what_a_worker_says_of_its_jobs_is_told(replies: list[Any]) -> None:
    bare = ROW | {"id": "2", "runtime": None, "sent": None, "started": None, "more": 5}
    replies += [{"w@h": [ROW, bare]}, {"v@h": []}]
    assert jobs_in_workers() == [
        Entry("1", "running", "bash", 1.5, 2.5, "w@h", 1),
        Entry("2", "running", None, None, None, "w@h", 1),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        5,
        {"w@h": {"error": "unknown command"}},
        {"w@h": [5]},
        {"w\n@h": [ROW]},
        *map(_with, ("id", "state", "runtime", "sent", "started", "attempt"), ("", "a b", 5, "x", [], None)),
        {"w@h": [{name: value for name, value in ROW.items() if name != "id"}]},
    ],
)
def test_an_answer_that_no_worker_of_ours_gives_is_none(replies: list[Any], reply: Any) -> None:
    replies.append(reply)
    assert jobs_in_workers() == []


def test_nobody_answers_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.observe.job_list.app.control.broadcast", lambda *_, **__: None)
    assert jobs_in_workers() == []


@pytest.mark.parametrize(
    ("args", "kwargs", "runtime"),
    [
        (["c", "bash"], {}, "bash"),
        (["c"], {"runtime": "node"}, "node"),
        (["c"], {}, None),
        (["c", "a b"], {}, None),
        (["c", ["x"]], {"runtime": "node"}, None),
    ],
)
def test_a_runtime_is_shown_if_it_could_be_one(args: list[Any], kwargs: dict[str, Any], runtime: Any) -> None:
    assert runtime_asked_for(args, kwargs) == runtime


@pytest.fixture
def broker(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the Redis that the job list reads."""
    with (
        Celery(broker=broker_url, backend=broker_url, set_as_current=False) as app,
        redis.Redis.from_url(broker_url, decode_responses=True) as database,
    ):
        for module in (job_list, job_lookup):
            monkeypatch.setattr(module, "app", app)
        yield database
        database.flushdb()


def test_the_next_jobs_of_all_queues_are_shown_and_all_are_counted(broker: Any) -> None:
    sent = {"cellblock_sent_at": 5.0, "retries": 2}
    for queue in "ab":
        for number in range(3):
            headers = sent | {"id": f"{queue}{number}"}
            broker.lpush(queue, envelope(call(), headers=headers))
    found = jobs_in_queues(["a", "b", "empty"], 4)
    assert [job.id for job in found.next] == ["a0", "a1", "a2", "b0"]
    assert found.waiting == 6
    assert found.next[0] == Entry("a0", "queued", "bash", 5.0, None, None, 3)
    assert jobs_in_queues(["a"], 2).next == found.next[:2]


@pytest.fixture
def sorted_queue(broker: Any) -> None:
    """A queue from which a job was taken, so that the others are sorted by their tenants."""
    for tenant, number in (("a", 1), ("a", 2), ("a", 3), ("b", 1)):
        headers = {"id": f"{tenant}{number}", "cellblock_tenant": tenant}
        broker.lpush("q", envelope(call(), headers=headers))
    _TAKE(broker, ["index", "unacked", "held", "q", "taken"], "tag", 1, "\x06\x16", "{}", 0)


@pytest.mark.usefixtures("sorted_queue")
def test_jobs_of_tenants_are_shown_in_their_turns_and_newer_ones_behind_them(broker: Any) -> None:
    broker.lpush("q", envelope(call(), headers={"id": "new"}))
    found = jobs_in_queues(["q"], 10)
    assert ([job.id for job in found.next], found.waiting) == (["b1", "a2", "a3", "new"], 4)


@pytest.mark.usefixtures("sorted_queue")
@pytest.mark.usefixtures("known")
def test_a_job_that_is_sorted_by_its_tenant_is_known() -> None:
    lookup = JobLookup(["q"])
    assert (lookup.knows("a3"), lookup.knows("nobody")) == (True, False)


def test_what_is_no_job_of_ours_is_counted_and_not_shown(broker: Any) -> None:
    other = envelope(call(), headers={"task": "celery.backend_cleanup"})
    broker.lpush("a", b"junk", envelope(5), other, envelope(call(), headers={"task": "shop.x"}))
    assert jobs_in_queues(["a"], 10) == Queued([], 4)


def test_another_broker_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    with Celery(broker="memory://", set_as_current=False) as app:
        for module in (job_list, job_lookup):
            monkeypatch.setattr(module, "app", app)
        assert jobs_in_queues(["a"], 10) == Queued([], None)
        assert JobLookup(["a"])._may_wait("1")


def test_a_worker_tells_of_each_job_once_by_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("runs", "reserved", "retries")
    runs, reserved, retries = (request_of(name, headers={"retries": 1}) for name in names)
    other = type("Other", (), {"id": "other", "type": "celery.chord_unlock"})()
    runs.time_start, retries.time_start = 5.0, 4.0
    runs.request_dict["cellblock_sent_at"] = 2.0
    monkeypatch.setattr(of_worker, "active_requests", {runs, other})
    monkeypatch.setattr(of_worker, "reserved_requests", {runs, reserved, other})
    queue = [SimpleNamespace(entry=SimpleNamespace(args=args)) for args in ((retries, 1), (), None, ("x",))]
    timer = SimpleNamespace(schedule=SimpleNamespace(queue=queue))
    state = SimpleNamespace(tset=set, consumer=SimpleNamespace(timer=timer))
    rows = {row["id"]: row for row in worker_control.jobs(state)}
    assert {name: row["state"] for name, row in rows.items()} == {
        "runs": "running",
        "reserved": "reserved",
        "retries": "retrying",
    }
    assert rows["runs"] == {
        "id": "runs",
        "state": "running",
        "runtime": "bash",
        "sent": 2.0,
        "started": 5.0,
        "attempt": 2,
    }
    assert (rows["retries"]["started"], rows["reserved"]["attempt"]) == (None, 2)
    assert abs(rows["reserved"]["sent"] - time.time()) < 5


@pytest.fixture
def known(results: Any, broker: Any, replies: list[Any]) -> Any:
    """A client of the Redis in which a job is looked up."""
    return broker


def test_a_job_is_known_by_its_lease_its_output_its_result_a_worker_or_a_queue(
    known: Any, replies: list[Any]
) -> None:
    replies.append({"w@h": [ROW]})
    known.hset("cellblock.lease:leased", "holder", "x")
    known.xadd("cellblock.live:live", {"a": "b"})
    known.set("celery-task-meta-stored", '{"status": "RETRY"}')
    known.lpush("q", envelope(call(), headers={"id": "waits"}), "junk", "[]")
    taken = envelope(call(), headers={"id": "taken"}).decode()
    junk = {"b": "junk", "c": "[]", "d": "5", "e": "[" * 100_000}
    known.hset("unacked", mapping=junk | {"a": f'[{taken}, "", "q"]'})
    where = JobLookup(["q"])
    names = ("leased", "live", "stored", "1", "waits", "taken", "nobody")
    assert [name for name in names if not where.knows(name)] == ["nobody"]
    replies.clear()
    assert where.knows("1")


def test_where_too_many_wait_to_look_at_each_a_job_may_be_among_them(
    known: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job_lookup._MOST_MESSAGES == 2000
    monkeypatch.setattr(job_lookup, "_MOST_MESSAGES", 3)
    known.lpush("q", *[envelope(call())] * 3)
    assert not JobLookup(["q"]).knows("nobody")
    known.lpush("q", envelope(call()))
    assert JobLookup(["q"]).knows("nobody")


@pytest.mark.parametrize(
    ("state", "ended"),
    [("SUCCESS", True), ("REVOKED", True), ("RETRY", False), (None, False)],
)
def test_a_job_has_ended_with_its_result(results: Any, state: str | None, ended: bool) -> None:
    if state:
        results.set(results.get_key_for_task("job"), json.dumps({"status": state}))
    assert JobLookup([]).ended("job") is ended


def test_a_message_is_for_our_task() -> None:
    assert TASK == headers.TASK
