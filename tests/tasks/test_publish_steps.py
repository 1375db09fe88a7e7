"""The tries to send a job, and what is checked and changed in a call before it is sent."""

from __future__ import annotations

import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import LimitExceeded, OperationalError

from sandbox import BrokerUnreachable, InvalidJob
from tasks import app, lifecycle, patience, publishing, run_sandboxed
from tasks.headers import shown_call
from tasks.process import process_state
from tasks.publishing import _impatient, _tries, publish
from tasks.settings import this_settings
from tests.clock import Clock
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.process import ProcessState


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(publishing, "time", clock)
    return clock


def sender(*errors: Exception | None) -> tuple[Callable[..., str], list[dict[str, Any]]]:
    """A function that sends after these errors, and the list of the options of its calls."""
    told: list[dict[str, Any]] = []

    def send(**options: Any) -> str:
        told.append(options)
        error = errors[min(len(told), len(errors)) - 1] if errors else None
        if error:
            raise error
        return "sent"

    return send, told


def test_a_job_is_tried_again_under_one_id_while_that_may_help(clock: Clock) -> None:
    send, told = sender(OperationalError("gone"), redis.ConnectionError("gone"), OSError("gone"), None)
    assert publish(app, send, {"producer": "mine"}) == "sent"
    assert clock.slept_s == [0.05, 0.1, 0.2]
    assert len({options["task_id"] for options in told}) == 1
    assert {options["retry"] for options in told} == {False}


@pytest.mark.parametrize(("is_worker", "bound_s"), [(False, 3.0), (True, 40.0)])
def test_it_is_given_up_within_its_bound(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, is_worker: bool, bound_s: float
) -> None:
    monkeypatch.setenv("CELLBLOCK_PUBLISH_TIMEOUT", "3")
    monkeypatch.setenv("CELLBLOCK_SILENCE", "10")
    monkeypatch.setattr(process_state, "is_worker", is_worker)
    send, told = sender(redis.ConnectionError("Error 111"))
    with pytest.raises(BrokerUnreachable, match="cannot be reached") as caught:
        publish(app, send, {"producer": "mine", "task_id": "own"})
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
    assert bound_s - 0.6 < sum(clock.slept_s) <= bound_s
    assert (max(clock.slept_s), told[-1]["task_id"]) == (0.5, "own")
    assert len(told) == len(clock.slept_s) + 1


@pytest.mark.parametrize(("broker", "tries"), [("redis://localhost/0", 1), ("amqp://localhost//", 3)])
def test_a_jobs_process_leaves_the_waiting_to_its_connection_where_that_waits(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, broker: str, tries: int
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker)
    monkeypatch.setenv("CELLBLOCK_RESULT_BACKEND", "redis://localhost/0")
    monkeypatch.setattr(patience, "_loop", {"process": 1, "thread": 1})
    send, told = sender(*[OperationalError("Error 111")] * (tries - 1), None)
    assert publish(app, send, {"producer": "mine"}) == "sent"
    assert (len(told), "retry" in told[0]) == (tries, tries > 1)


def test_what_does_not_pass_is_told_at_once(clock: Clock) -> None:
    send, told = sender(redis.AuthenticationError("WRONGPASS invalid username-password pair"))
    with pytest.raises(BrokerUnreachable, match="refuses the user or the password"):
        publish(app, send, {"producer": "mine"})
    assert (len(told), clock.slept_s) == (1, [])


def test_what_is_no_error_of_the_broker_is_raised_as_it_is(clock: Clock) -> None:
    send, _ = sender(TypeError("not JSON"))
    with pytest.raises(TypeError, match="not JSON"):
        publish(app, send, {"producer": "mine"})


def test_a_process_whose_threads_all_publish_and_get_nowhere_says_so(clock: Clock) -> None:
    send, told = sender(LimitExceeded(10))
    with pytest.raises(BrokerUnreachable, match=rf"^{app.conf.broker_pool_limit} threads of this process"):
        publish(app, send, {"producer": "mine"})
    assert len(told) == 1


@pytest.mark.parametrize("name", ["producer", "connection", "publisher"])
def test_who_brings_a_way_of_its_own_is_sent_by_that(name: str) -> None:
    send, told = sender()
    publish(app, send, {name: "mine"})
    assert (told[0][name], "producer" in told[0]) == ("mine", name == "producer")


def test_else_it_goes_by_a_connection_that_is_not_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setenv("CELLBLOCK_PUBLISH_TIMEOUT", "3")

    class Producers:
        def __getitem__(self, connection: Any) -> Any:
            seen.append((connection.connect_timeout, connection.transport_options))
            return self

        def acquire(self, **options: Any) -> Any:
            seen.append(options)
            return nullcontext("a producer")

    monkeypatch.setattr(publishing, "producers", Producers())
    send, told = sender()
    publish(app, send, {})
    (timeout, options), acquired = seen
    assert (told[0]["producer"], timeout, acquired) == ("a producer", 3.0, {"block": True, "timeout": 3.0})
    bounds = {"socket_timeout": 3.0, "socket_connect_timeout": 3.0}
    assert _impatient(3.0) == bounds | {"max_retries": 0, "retry_on_timeout": False}
    assert _impatient(3.0).items() <= options.items()


def test_an_eager_task_is_sent_once_with_a_producer_that_does_not_connect() -> None:
    send, told = sender()
    with Celery(broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False) as eager:
        eager.conf.task_always_eager = True
        assert publish(eager, send, {"queue": "q"}) == "sent"
    assert sorted(told[0]) == ["producer", "queue"]


def test_the_last_try_has_no_time_left(clock: Clock) -> None:
    left = [round(one, 2) for one in _tries(0.5)]
    assert (left, clock.slept_s) == ([0.45, 0.35, 0.15, 0.0], [0.05, 0.1, 0.2])
    assert list(_tries(0)) == [0.0]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The list of the options with which the task is published."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(publishing, "publish", lambda _, send, options: sent.append(options))
    return sent


def test_a_call_says_when_it_was_sent_and_shows_nothing_of_itself(sent: list[dict[str, Any]]) -> None:
    run_sandboxed.apply_async(("echo secret", "bash"), {"stdin": "secret"}, headers={"x": 1})
    (options,) = sent
    assert abs(options["headers"].pop("cellblock_sent_at") - time.time()) < 5
    assert options == {"headers": {"x": 1}, "argsrepr": "('…', 'bash')", "kwargsrepr": "['stdin']"}
    assert shown_call("node", {"b": 1, "a": 2}) == {"argsrepr": "('…', 'node')", "kwargsrepr": "['a', 'b']"}


@pytest.mark.parametrize(
    ("options", "queue"),
    [({}, "heavy"), ({"queue": "mine"}, "mine"), ({"exchange": "e"}, None), ({"routing_key": "r"}, None)],
)
def test_a_runtime_has_its_route_unless_the_caller_says_where_it_goes(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], queue: str | None
) -> None:
    monkeypatch.setenv("CELLBLOCK_ROUTES", "python=heavy")
    run_sandboxed.apply_async(("true", "python"), **options)
    run_sandboxed.apply_async(("true", "bash"))
    assert [one.get("queue") for one in sent] == [queue, None]


def test_only_an_app_that_has_asked_for_room_says_so(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sandboxed.apply_async(("true",))
    monkeypatch.setenv("CELLBLOCK_MAX_QUEUED", "5")
    this_settings.cache_clear()
    run_sandboxed.apply_async(("true",))
    assert [one["headers"].get("cellblock_accepted") for one in sent] == [None, True]


def test_an_app_says_itself_when_it_has_sent_a_job_before(sent: list[dict[str, Any]]) -> None:
    run_sandboxed.apply_async(("true",), headers={"cellblock_sent_at": 5.0})
    assert sent[0]["headers"]["cellblock_sent_at"] == 5.0


@pytest.mark.parametrize(
    ("header", "ago_s", "least", "most"),
    [
        ("cellblock_sent_at", 100, 100, 200),
        ("cellblock_received_at", 100, 100, 200),
        ("cellblock_sent_at", -100, 0, 0),
        ("cellblock_sent_at", "junk", 0, 0),
        ("another", 100, 0, 0),
    ],
)
def test_a_job_has_waited_since_it_was_sent_or_taken(
    header: str, ago_s: float | str, least: float, most: float
) -> None:
    moment = time.time() - ago_s if isinstance(ago_s, int) else ago_s
    run_sandboxed.push_request(id="1", **{header: moment})
    waited_s = run_sandboxed.queued_s()
    run_sandboxed.pop_request()
    assert least <= waited_s <= most


def test_a_message_that_was_no_call_is_refused_by_who_runs_it() -> None:
    run_sandboxed.push_request(id="1", cellblock_refusal="The message is no call: why.")
    with pytest.raises(InvalidJob, match=r"^The message is no call: why\.$"):
        run_sandboxed("true")
    run_sandboxed.pop_request()


def test_what_watches_a_worker_is_told_little(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (run_sandboxed.resultrepr_maxsize, run_sandboxed.default_retry_delay) == (100, 1)
    assert [error.__name__ for error in run_sandboxed.throws] == ["JobError"]
    assert run_sandboxed.engine == "docker"
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    this_settings.cache_clear()
    assert run_sandboxed.engine == "host"


def test_a_keeper_that_cannot_be_started_stops_the_worker_at_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no room for its socket")

    monkeypatch.setattr("sandbox.warm.KeeperProcess", refuse)
    with pytest.raises(SystemExit, match="cellblock: the worker's keeper can't be started: no room"):
        lifecycle.start_keeper("w@h")


def test_a_worker_closes_its_sandbox_once_and_knows_of_no_keeper_where_there_is_none(
    process: ProcessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(process, "_sandbox", SimpleNamespace(close=lambda: closed.append(1)))
    process_state.close_sandbox()
    process_state.close_sandbox()
    lifecycle.stop_keeper()
    lifecycle.watch_keeper(None)
    assert (closed, process.keeper_sight(), process.keeper_is_alive()) == ([1], None, None)


def test_a_keeper_is_looked_after_every_second_and_stopped_in_the_end(process: ProcessState) -> None:
    told: list[Any] = []
    keeper: Any = SimpleNamespace(revive="revive", is_alive=False, sight=lambda: "seen")
    keeper.stop = lambda: told.append("stopped")
    process.keeper = keeper
    timer = SimpleNamespace(call_repeatedly=lambda *call: told.append(call))
    lifecycle.watch_keeper(SimpleNamespace(timer=timer))
    lifecycle.stop_keeper()
    assert told == [(1.0, "revive"), "stopped"]
    seen: Any = process.keeper_sight()
    assert (seen, process.keeper_is_alive()) == ("seen", False)
