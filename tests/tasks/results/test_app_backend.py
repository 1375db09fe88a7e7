"""The result backends: how long a worker, its lease and an app wait for Redis."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery.app.backends import by_name
from celery.backends.redis import RedisBackend as Celerys
from redis.retry import Retry

from sandbox import BrokerUnreachable
from tasks import app
from tasks.patience import PatientRetry
from tasks.process import process_state
from tasks.results import worker_backend as of_worker
from tasks.results.app_backend import RedisBackend, SentinelBackend
from tasks.results.worker_backend import PatientRedis, PatientSentinel, redis_of
from tasks.settings import this_settings
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a Redis that does not exist. The settings name it too."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", url)
    monkeypatch.setenv("CELLBLOCK_PUBLISH_TIMEOUT", "0.3")
    return url


@pytest.fixture
def of_app(nowhere: str) -> Any:
    """The result backend of an app, at the address of `nowhere`."""
    return RedisBackend(app=app, url=nowhere)


def test_a_worker_stores_with_patience_and_renews_its_leases_without(results: Any) -> None:
    patient = results.client.get_connection_kwargs()
    assert (type(patient["retry"]), patient["retry_on_timeout"]) == (PatientRetry, False)
    brisk = redis_of(results)
    assert brisk is not None
    assert brisk is not results.client
    options, bound_s = brisk.get_connection_kwargs(), this_settings().lease_s / 5
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (bound_s, bound_s)
    assert (type(options["retry"]), options["retry"].get_retries()) == (Retry, 0)
    assert options["retry_on_timeout"] is False


def test_three_tries_fit_into_what_a_holder_has_of_its_lease(results: Any) -> None:
    assert (
        3 * results.brisk_client.get_connection_kwargs()["socket_timeout"] < this_settings().lease_s * 3 / 4
    )


def test_a_socket_of_the_file_system_has_no_time_to_connect() -> None:
    backend: Any = PatientRedis(app=app, url="socket:///nowhere.sock")
    assert "socket_connect_timeout" not in backend.brisk_client.get_connection_kwargs()


def test_what_waits_in_each_command_is_not_tried_again_around_it(results: Any) -> None:
    tried: list[int] = []

    def once(number: int) -> int:
        tried.append(number)
        raise redis.ConnectionError

    with pytest.raises(redis.ConnectionError):
        results.ensure(once, (7,), max_retries=5)
    assert (tried, results.always_retry) == ([7], False)
    assert results.ensure(lambda number: number + 1, (7,)) == 8


@pytest.mark.parametrize(
    ("scheme", "kind"), [("redis", PatientRedis), ("rediss", PatientRedis), ("sentinel", PatientSentinel)]
)
def test_a_worker_has_the_patient_backend_for_every_address_of_a_redis(
    monkeypatch: pytest.MonkeyPatch, scheme: str, kind: type
) -> None:
    monkeypatch.setattr(app.loader, "override_backends", {})
    of_worker.store_patiently()
    assert by_name(scheme, app.loader) is kind


@pytest.mark.parametrize(
    ("scheme", "kind"), [("redis", RedisBackend), ("rediss", RedisBackend), ("sentinel", SentinelBackend)]
)
def test_an_app_has_the_backend_that_says_what_is_away(scheme: str, kind: type) -> None:
    assert by_name(scheme, app.loader) is kind


def test_leases_are_not_to_be_had_where_results_go_to_no_redis(nowhere: str) -> None:
    assert redis_of(object()) is None
    stock = Celerys(app=app, url=nowhere)
    assert redis_of(stock) is stock.client


@pytest.mark.parametrize("variable", ["CELLBLOCK_BROKER_URL", "CELLBLOCK_RESULT_BACKEND"])
def test_an_app_that_asks_for_a_result_hears_at_once_which_redis_is_away(
    nowhere: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, nowhere)
    backend: Any = RedisBackend(app=app, url=nowhere)
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=rf"cannot be reached .* or set {variable}") as caught:
        backend.get_task_meta("some-id")
    assert isinstance(caught.value.__cause__, redis.RedisError)
    assert time.monotonic() - began < 5


def test_a_worker_that_asks_meets_redis_own_error(of_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_state, "is_worker", True)
    of_app.always_retry = None
    with pytest.raises(redis.ConnectionError):
        of_app.get_task_meta("some-id")
    assert of_app.always_retry is None


def test_an_app_that_waits_connects_anew_within_its_time_and_is_told_that_it_may_ask_again(
    of_app: Any,
) -> None:
    began = time.monotonic()
    with of_app._within(0.3), pytest.raises(BrokerUnreachable), of_app.result_consumer.reconnect_on_error():
        raise redis.ConnectionError
    assert time.monotonic() - began < 5


def test_what_else_is_raised_while_it_waits_is_raised(of_app: Any) -> None:
    with pytest.raises(RuntimeError, match=r"^mine$"), of_app.result_consumer.reconnect_on_error():
        raise RuntimeError("mine")


def test_sending_a_job_needs_no_result_backend(of_app: Any) -> None:
    assert of_app.on_task_call(None, "some-id") is None


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The list of retry policies that Celery gets."""
    policies: list[dict[str, Any]] = []
    monkeypatch.setattr(Celerys, "ensure", lambda *_, **policy: policies.append(policy))
    return policies


def test_what_an_app_does_takes_no_longer_than_it_has_time(
    of_app: Any, policies: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure: Callable[..., object] = of_app.ensure
    usual_s = of_app.retry_policy["timeout"]
    ensure(print, ())
    for seconds in (0.5, 10 * usual_s, None):
        with of_app._within(seconds):
            ensure(print, ())
            ensure(print, (), timeout=7)
    monkeypatch.setattr(process_state, "is_worker", True)
    with of_app._within(0.5):
        ensure(print, ())
    expected = [
        {},
        {"timeout": 0.5},
        {"timeout": 7},
        {"timeout": usual_s},
        {"timeout": 7},
        {},
        {"timeout": 7},
    ]
    assert policies == [*expected, {}]


def test_a_bound_ends_with_what_it_was_for_and_is_one_threads_own(of_app: Any) -> None:
    seen: list[object] = []

    def look() -> None:
        seen.append(getattr(of_app._bound, "seconds", None))

    with of_app._within(5):
        with pytest.raises(KeyError), of_app._within(1):
            raise KeyError
        look()
        other = threading.Thread(target=look)
        other.start()
        other.join()
    look()
    assert seen == [5, None, None]


def test_listening_for_a_result_is_bounded_as_publishing_is_and_waiting_by_its_caller(
    of_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: dict[str, object] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda self, *_, **__: bounds.update({name: self._bound.seconds})

    for name in ("add_pending_result", "wait_for_pending"):
        monkeypatch.setattr(Celerys, name, note(name))
    of_app.add_pending_result(None)
    of_app.wait_for_pending(None, timeout=12)
    assert bounds == {"add_pending_result": 0.3, "wait_for_pending": 12}


@pytest.mark.parametrize("name", ["client", "brisk_client"])
def test_a_worker_reaches_its_clients_whatever_another_thread_held_when_it_was_forked(name: str) -> None:
    """Celery's cached property has one lock for all instances. A forked process would wait for it."""
    backend = PatientRedis(app=app, url="redis://127.0.0.1:1/0")
    lock = vars(Celerys)["client"].lock
    done = threading.Event()

    def reach() -> None:
        getattr(backend, name)
        done.set()

    with lock:
        threading.Thread(target=reach, daemon=True).start()
        assert done.wait(5)
