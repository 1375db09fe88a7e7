"""No message ends a worker: what is not a call fails or is put aside, and the next job runs."""

from __future__ import annotations

import base64
import itertools
import json
import os
import secrets
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.envelope import Call, Dead, Stray, judge
from tests.programs import run_cli, running_worker
from tests.tasks.conftest import ANSWER_S, TASK
from tests.tasks.hostile_messages import DEAD, MISSING, REFUSED, call, envelope
from tests.tasks.mutations import mutated_messages
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

    from tests.programs import Worker

SECRET, WORD = secrets.token_hex(8), secrets.token_hex(8)
QUEUE = "cellblock"
#: How many mutated messages are sent. MUTATIONS=5000 in the environment sends more.
MUTATIONS = int(os.environ.get("MUTATIONS", "500"))


@pytest.fixture(scope="module")
def target(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that gets all messages of this module. It runs commands on the host, for speed."""
    folder = tmp_path_factory.mktemp("target")
    with running_worker(folder, f"{redis_url}/61", "--concurrency=2", ENABLE_DOCKER="false") as real:
        yield real


@pytest.fixture(scope="module")
def database(target: Worker) -> Iterator[redis.Redis]:
    """A client of the worker's broker."""
    with redis.Redis.from_url(target.broker_url, decode_responses=True) as client:
        yield client


@pytest.fixture(scope="module")
def app(target: Worker, client_of: Callable[[str], Celery]) -> Celery:
    """An app without cellblock."""
    return client_of(target.broker_url)


def hello(app: Celery, number: int) -> str:
    """Run a valid job, and return its output."""
    result = app.send_task(TASK, [f"echo hello {number}", "bash"]).get(timeout=ANSWER_S)
    return str(result["stdout"])


def failure_of(app: Celery, raw: bytes) -> str:
    """The error with which the task of a message has failed."""
    handle = app.AsyncResult(json.loads(raw)["headers"]["id"])
    error = handle.get(timeout=ANSWER_S, propagate=False)
    assert handle.state == "FAILURE"
    return f"{type(error).__name__}: {error}"


def test_messages_that_are_no_calls_fail_or_are_dead_and_the_same_worker_goes_on(
    target: Worker, app: Celery, database: redis.Redis
) -> None:
    database.delete("cellblock.dead")
    before, said_before = [process.pid for process in target.pool], len(target.log())
    for number, raw in enumerate((DEAD | REFUSED).values()):
        database.lpush(QUEUE, raw)
        if number % 20 == 0:
            assert hello(app, number) == f"hello {number}\n"
    endings = {name: failure_of(app, raw) for name, raw in REFUSED.items() if name not in _FIRST}
    assert {
        name: ending for name, ending in endings.items() if not ending.startswith("InvalidJob: The mess")
    } == {}
    assert hello(app, 0) == "hello 0\n"
    assert database.llen("cellblock.dead") == len(DEAD)
    assert (target.process.poll(), [process.pid for process in target.pool]) == (None, before)
    # A worker acknowledges a message after it has stored the result.
    wait_until(lambda: not database.hlen("unacked") and not database.llen(QUEUE), 5, "all are done with")
    assert "Traceback" not in target.log()[said_before:]


# This message has its task id in its body, not in its headers.
_FIRST = {"a body that is the first protocol, junk"}


def test_calls_of_every_protocol_and_compression_run(app: Celery, database: redis.Redis) -> None:
    packed = base64.b64encode(zlib.compress(json.dumps(call("echo packed")).encode())).decode()
    first = {
        "task": TASK,
        "id": "first-protocol",
        "args": ["echo first", "bash"],
        "kwargs": {},
        "taskset": "g",
    }
    no_base64 = {"properties": {"body_encoding": MISSING}, "body": json.dumps(call("echo plain"))}
    sent = {
        "packed\n": envelope(call(), body=packed, headers={"compression": "application/x-gzip"}),
        "plain\n": envelope(call(), **no_base64),
        "nulls\n": envelope([["echo nulls", "bash"], {}, None], headers={"retries": None, "lang": None}),
        "a charset\n": envelope(
            call("echo a charset"), **{"content-type": "application/json; charset=utf-8"}
        ),
        "own headers\n": envelope(
            call("echo own headers"), headers={"traceparent": "00-1-2-01", "x": {"a": [1]}}
        ),
        "first\n": envelope(first, headers={"task": MISSING, "id": "first-protocol"}),
    }
    for raw in sent.values():
        database.lpush(QUEUE, raw)
    results = {words: app.AsyncResult(json.loads(raw)["headers"]["id"]) for words, raw in sent.items()}
    assert {words: result.get(timeout=ANSWER_S)["stdout"] for words, result in results.items()} == {
        words: words for words in sent
    }


def test_two_messages_with_one_tag_are_two_jobs(app: Celery, database: redis.Redis) -> None:
    twins = [envelope(call(f"echo {name}"), properties={"delivery_tag": "mine"}) for name in "ab"]
    database.lpush(QUEUE, *twins)
    ids = [json.loads(raw)["headers"]["id"] for raw in twins]
    assert [app.AsyncResult(one).get(timeout=ANSWER_S)["stdout"] for one in ids] == ["a\n", "b\n"]


def test_somebody_elses_message_is_set_aside_as_it_is_and_its_body_is_not_logged(
    target: Worker, app: Celery, database: redis.Redis
) -> None:
    strange = [
        envelope([[SECRET], {}, {}], headers={"task": "shop.send_mail", "id": MISSING}),
        envelope(
            SECRET, headers={"task": "shop.send_mail"}, **{"content-type": "application/x-python-serialize"}
        ),
        envelope({"task": "shop.old", "id": "1", "args": [SECRET], "kwargs": {}}, headers=MISSING),
        envelope(SECRET, headers={}, **{"content-type": "application/x-python-serialize"}, body=SECRET),
    ]
    strange[3] = json.dumps(json.loads(strange[3]) | {"headers": {}}).encode()
    database.lpush(QUEUE, *strange)
    assert hello(app, 1) == "hello 1\n"
    aside = database.lrange(f"cellblock.foreign:{QUEUE}", 0, -1)
    database.delete(f"cellblock.foreign:{QUEUE}")
    assert [str(text).encode() for text in reversed(aside)] == strange
    assert "for a task that is not ours" in target.log()
    assert SECRET not in target.log()


def test_a_callback_that_names_no_queue_of_its_own_is_kept_and_nothing_of_it_logged(
    target: Worker, app: Celery, database: redis.Redis
) -> None:
    job = app.signature(TASK, args=[f"echo {SECRET}", "bash"], link=app.signature("shop.collect"))
    assert job.delay().get(timeout=ANSWER_S)["stdout"] == f"{SECRET}\n"
    (kept,) = wait_until(lambda: database.lrange(f"cellblock.foreign:{QUEUE}", 0, -1), 10, "it is kept")
    database.delete(f"cellblock.foreign:{QUEUE}")
    assert json.loads(kept)["headers"]["task"] == "shop.collect"
    assert SECRET not in target.log()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content-type": "application/x-python-serialize"}, "its body is pickle, and only JSON is read"),
        ({"content-type": "application/x-yaml"}, "its body is yaml, and only JSON is read"),
        ({"headers": {"eta": SECRET}}, "its header eta is not a time in ISO 8601"),
        ({"headers": {"expires": SECRET}}, "its header expires is not a time"),
        ({"body": SECRET}, "its body is no JSON that can be read"),
    ],
)
def test_a_call_that_cannot_be_read_fails_in_one_sentence_and_its_body_is_not_logged(
    target: Worker, app: Celery, database: redis.Redis, changes: dict[str, Any], words: str
) -> None:
    raw = envelope(call(SECRET, env={"TOKEN": SECRET}), **changes)
    database.lpush(QUEUE, raw)
    assert words in failure_of(app, raw)
    assert SECRET not in target.log()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"stdin": {"__type__": "date", "__value__": WORD}, "env": {"TOKEN": WORD}},
        {"stdin": {"__type__": "uuid", "__value__": {"hex": WORD}}},
        {"runtime": f"{WORD} {WORD}"},
        {"runtime": [WORD]},
        {"runtime": WORD * 1_000_000},
        {"timeout": WORD * 10_000},
        {WORD * 10_000: 1},
        {"files": {f"/{WORD * 10_000}": ""}},
        {"env": {WORD * 10_000: ""}},
        {"artifacts": ["x" * 2000 + WORD]},
        {"network": ["x" * 2000 + WORD]},
    ],
    ids=[
        "date",
        "uuid",
        "words",
        "list",
        "runtime",
        "timeout",
        "name",
        "files",
        "env",
        "artifacts",
        "network",
    ],
)
def test_a_refusal_repeats_no_more_than_the_beginning_of_an_argument(
    target: Worker, app: Celery, kwargs: dict[str, object]
) -> None:
    handle = app.send_task(TASK, ["true"], kwargs)
    error = handle.get(timeout=ANSWER_S, propagate=False)
    assert handle.state == "FAILURE"
    assert len(str(error)) < 500
    assert f"{WORD}{WORD}{WORD}{WORD}" not in target.log()


def test_a_dead_message_is_kept_in_part_for_a_while(
    target: Worker, app: Celery, database: redis.Redis
) -> None:
    database.delete("cellblock.dead")
    database.lpush(QUEUE, b"{" + b"x" * (1 << 20))
    assert hello(app, 1) == "hello 1\n"
    entry = json.loads(str(database.lindex("cellblock.dead", 0)))
    assert {name: entry[name] for name in ("reason", "queue", "bytes")} == {
        "reason": "it is no JSON that can be read",
        "queue": QUEUE,
        "bytes": (1 << 20) + 1,
    }
    assert len(entry["message"]) == 16 << 10
    assert 0 < database.ttl("cellblock.dead") <= 7 * 86_400


def test_dead_messages_are_no_more_than_a_thousand(app: Celery, database: redis.Redis) -> None:
    database.lpush(QUEUE, *[b"[]"] * 1100)
    assert hello(app, 1) == "hello 1\n"
    assert database.llen("cellblock.dead") == 1000


@pytest.mark.parametrize("channel", ["celery.pidbox", "celeryev/worker.heartbeat"])
@pytest.mark.parametrize(
    "said", [b"[]", b"{}", b"[" * 100_000, b"5", envelope(5), envelope(call(), headers=[1])]
)
def test_nonsense_that_is_said_to_all_workers_is_as_good_as_not_said(
    target: Worker, app: Celery, database: redis.Redis, channel: str, said: bytes
) -> None:
    database.publish(f"/61.{channel}", said)
    assert hello(app, 1) == "hello 1\n"
    assert (target.process.poll(), target.log().count("Connected to")) == (None, 1)


def test_ps_shows_the_jobs_and_stumbles_over_nothing(app: Celery, target: Worker, broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as database:
        database.lpush(
            QUEUE, *DEAD.values(), *REFUSED.values(), envelope(call(), headers={"shadow": "other"})
        )
        shown = run_cli("ps", "--json", "--limit", "1000", CELLBLOCK_BROKER_URL=broker_url)
        database.delete(QUEUE)
    assert [(job["state"], job["runtime"]) for job in json.loads(shown.stdout)] == [("queued", "bash")]


@given(raw=mutated_messages())
@settings(max_examples=500, derandomize=True, database=None, deadline=None)
def test_the_judgement_never_raises(raw: bytes) -> None:
    assert isinstance(judge(raw, 1 << 20), Call | Stray | Dead)


@given(raw=st.binary(max_size=200) | mutated_messages().map(lambda raw: raw[:300]))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_what_is_no_envelope_is_dead_or_nobodys(raw: bytes) -> None:
    assert isinstance(judge(raw, 1 << 20), Call | Stray | Dead)


@pytest.mark.timeout(900)
def test_mutated_messages_leave_a_worker_as_it_is(target: Worker, app: Celery, database: redis.Redis) -> None:
    before = [process.pid for process in target.pool]
    numbers = itertools.count()

    @given(raw=mutated_messages())
    @settings(max_examples=MUTATIONS, derandomize=True, database=None, deadline=None)
    def send(raw: bytes) -> None:
        database.lpush(QUEUE, raw)
        if (number := next(numbers)) % 100 == 0:
            assert hello(app, number) == f"hello {number}\n"

    send()
    assert hello(app, 0) == "hello 0\n"
    wait_until(
        lambda: not database.llen(QUEUE) and not database.hlen("unacked"), ANSWER_S, "all are done with"
    )
    assert (target.process.poll(), [process.pid for process in target.pool]) == (None, before)
    database.delete(f"cellblock.foreign:{QUEUE}")


def test_many_values_cost_no_more_than_their_count() -> None:
    table = "1,2,3\n" * 500_000
    assert isinstance(judge(envelope(call(files={"table.csv": table})), 1 << 30), Call)
    flood = envelope(call([1] * 300_000))
    verdict = judge(flood, 1 << 30)
    assert isinstance(verdict, Call)
    assert verdict.is_refused
