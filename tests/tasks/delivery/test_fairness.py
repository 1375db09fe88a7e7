"""How tenants are served in turn, and how many of their jobs run and wait."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tasks.delivery.bounds import _EXCESS, _PUBLISH
from tasks.delivery.unacked import _TAKE
from tasks.lease import _keys
from tasks.queue_keys import TICKET, tenants_lists
from tests.tasks.hostile_messages import call, envelope

if TYPE_CHECKING:
    import redis

Q = "cellblock"
UNACKED = ["unacked_index", "unacked", "held"]


def message(word: str, tenant: str | None = None) -> bytes:
    return envelope(call(word), headers={"cellblock_tenant": tenant} if tenant else {})


def push(database: redis.Redis, tenant: str | None, *words: str) -> None:
    for word in words:
        database.lpush(Q, message(word, tenant))


class Takes:
    """Takes messages as a worker does, and knows how each was taken."""

    def __init__(self, database: Any, weights: dict[str, float] | None = None, bound: int = 0) -> None:
        self._database = database
        self._fair = (json.dumps(weights or {}), bound)
        self._count = 0

    def __call__(self, *done: str) -> str | list[int]:
        """The tenant of the next message, and "-" for none; or the numbers of the lists that are held."""
        self._count += 1
        keys = [*UNACKED, Q, "taken"]
        number, *found = _TAKE(self._database, keys, f"tag{self._count}", 1, "\x06\x16", *self._fair, *done)
        if not number:
            held: list[int] = found[0]
            return held
        return str(json.loads(found[0])["headers"].get("cellblock_tenant", "-"))


@pytest.fixture
def take(database: redis.Redis) -> Takes:
    return Takes(database)


def test_a_tenant_with_one_job_is_served_next_however_long_the_queue_of_another_is(
    database: redis.Redis, take: Takes
) -> None:
    push(database, "a", *(["x"] * 50))
    assert [take(), take()] == ["a", "a"]
    push(database, "b", "y")
    assert [take(), take(), take()] == ["b", "a", "a"]


def test_tenants_are_served_in_turn_and_each_in_its_own_order(database: redis.Redis) -> None:
    push(database, "a", "1", "2", "3")
    push(database, "b", "1", "2")
    push(database, None, "1")
    take = Takes(database)
    assert [take() for _ in range(6)] == ["-", "a", "b", "a", "b", "a"]
    assert take() == []


@pytest.mark.parametrize(("weights", "share"), [({"a": 3.0}, 30), ({"a": 3.0, "b": 1.5}, 27), ({}, 20)])
def test_weights_hold(database: redis.Redis, weights: dict[str, float], share: int) -> None:
    push(database, "a", *(["x"] * 50))
    push(database, "b", *(["x"] * 50))
    take = Takes(database, weights)
    served = Counter(str(take()) for _ in range(40))
    assert abs(served["a"] - share) <= 1


def test_a_tenant_that_was_away_gets_no_more_than_its_turn(database: redis.Redis, take: Takes) -> None:
    push(database, "a", *(["x"] * 40))
    for _ in range(20):
        take()
    push(database, "b", *(["x"] * 20))
    served = Counter(str(take()) for _ in range(20))
    assert served == {"a": 10, "b": 10}


def test_a_tenant_that_sends_one_job_after_the_other_gets_no_more_than_its_turn(
    database: redis.Redis, take: Takes
) -> None:
    push(database, "a", *(["x"] * 40))
    served: Counter[str] = Counter()
    for _ in range(20):
        if not database.llen(f"cellblock.tenant:{Q}:b"):
            push(database, "b", "y")
        served[str(take())] += 1
    assert abs(served["a"] - served["b"]) <= 1


def test_the_length_of_the_list_stays_the_number_of_messages_that_wait(
    database: redis.Redis, take: Takes
) -> None:
    push(database, "a", "1", "2", "3")
    take()
    push(database, "b", "4")
    assert (database.llen(Q), sum(map(database.llen, tenants_lists(database, Q)))) == (3, 2)
    take()
    assert database.llen(Q) == 2


def test_a_queue_that_is_empty_leaves_nothing(database: redis.Redis, take: Takes) -> None:
    push(database, "a", "1", "2")
    push(database, "b", "3")
    for _ in range(3):
        take()
    take("tag1", "tag2", "tag3")
    assert database.keys() == []


def test_a_message_that_came_back_is_the_next_one_of_its_tenant(database: redis.Redis, take: Takes) -> None:
    push(database, "a", "1", "2", "3")
    take()
    database.rpush(Q, message("back", "a"))
    take()
    bodies = [str(raw) for raw in database.hvals("unacked")]
    assert any(json.loads(one)[0]["body"] == json.loads(message("back", "a"))["body"] for one in bodies)
    assert database.llen(Q) == 2


def test_tickets_without_messages_are_dropped(database: redis.Redis, take: Takes) -> None:
    database.lpush(Q, TICKET, TICKET)
    assert (take(), take(), database.keys()) == ([], [], [])


def test_messages_without_tickets_are_served(database: redis.Redis, take: Takes) -> None:
    push(database, "a", "1", "2", "3")
    take()
    database.delete(Q)
    assert [take(), take(), take()] == ["a", "a", []]


@pytest.mark.parametrize("tenant", ["", "x" * 65, "a b", 'a"', "ä", 5, None, ["a"]])
def test_a_malformed_tenant_is_nobody(database: redis.Redis, take: Takes, tenant: object) -> None:
    for _ in range(3):
        database.lpush(Q, envelope(call("x"), headers={"cellblock_tenant": tenant}))
    take()
    assert tenants_lists(database, Q) == [f"cellblock.tenant:{Q}:"]


def test_the_tenant_of_a_large_message_is_known(database: redis.Redis, take: Takes) -> None:
    database.lpush(Q, message("x" * 200_000, "large"), message("y" * 200_000, "large"))
    take()
    assert tenants_lists(database, Q) == [f"cellblock.tenant:{Q}:large"]


def test_no_more_of_a_tenants_jobs_run_than_may(database: redis.Redis) -> None:
    take = Takes(database, bound=2)
    push(database, "a", "1", "2", "3", "4")
    push(database, "b", "1")
    assert [take(), take(), take(), take()] == ["a", "b", "a", [1]]
    assert take("tag1") == "a"


def test_what_a_dead_worker_had_running_does_not_count(database: redis.Redis) -> None:
    take = Takes(database, bound=1)
    push(database, "a", "1", "2")
    assert [take(), take()] == ["a", [1]]
    database.delete("unacked")
    assert take() == "a"


def publish(database: Any, tenant: str | None, most: int, of_tenant: int) -> list[Any]:
    answer: list[Any] = _PUBLISH(database, [Q, f"{Q}\x06\x163"], message("x", tenant), 1, most, of_tenant)
    return answer


def test_no_more_messages_wait_than_may(database: redis.Redis) -> None:
    assert [publish(database, "a", 2, 0)[0] for _ in range(3)] == [1, 1, 0]
    assert publish(database, "b", 2, 0) == [0, "queue", 2]


def test_no_more_messages_of_one_tenant_wait_than_may(database: redis.Redis) -> None:
    assert [publish(database, "a", 0, 2)[0] for _ in range(3)] == [1, 1, 0]
    assert publish(database, "a", 0, 2) == [0, "tenant", 2]
    assert publish(database, "b", 0, 2) == [1]


def take_excess(database: Any, most: int, of_tenant: int) -> list[bytes]:
    found: list[bytes] = _EXCESS(database, [*UNACKED, "taken", Q, f"{Q}\x06\x163"], most, of_tenant, 100)
    return found


def test_of_messages_that_are_too_many_the_newest_are_taken(database: redis.Redis) -> None:
    push(database, "a", "1", "2", "3")
    (newest,) = take_excess(database, 2, 0)
    assert json.loads(newest)["body"] == json.loads(message("3", "a"))["body"]
    assert (database.llen(Q), database.llen("taken")) == (2, 1)


def test_of_two_tenants_the_one_with_more_messages_gives(database: redis.Redis) -> None:
    push(database, "a", "1", "2", "3")
    push(database, "b", "1")
    assert [json.loads(one)["headers"]["cellblock_tenant"] for one in take_excess(database, 2, 0)] == [
        "a",
        "a",
    ]


def test_a_tenants_own_bound_leaves_the_others_alone(database: redis.Redis) -> None:
    push(database, "a", "1", "2", "3")
    push(database, "b", "1", "2")
    assert len(take_excess(database, 0, 2)) == 1
    assert (database.llen(f"cellblock.tenant:{Q}:a"), database.llen(f"cellblock.tenant:{Q}:b")) == (2, 2)


@pytest.mark.parametrize("header", [{"cellblock_accepted": True}, {"redelivered": True}, {"retries": 2}])
def test_what_was_accepted_is_never_too_much(database: redis.Redis, header: dict[str, Any]) -> None:
    push(database, "a", "1", "2")
    database.lpush(Q, *(envelope(call("x"), headers={"cellblock_tenant": "a"} | header) for _ in range(3)))
    assert [json.loads(one)["headers"].get("retries", 0) for one in take_excess(database, 1, 0)] == [0, 0]
    assert (take_excess(database, 1, 0), database.llen(Q)) == ([], 3)


def test_no_job_has_keys_that_are_a_queues(database: redis.Redis, take: Takes) -> None:
    """A publisher chooses a job's id, and may choose the name of a queue."""
    push(database, "a", "1", "2")
    take()
    of_queue = {str(key) for key in database.scan_iter() if str(key).endswith(f":{Q}")}
    assert of_queue.isdisjoint(_keys(Q))
