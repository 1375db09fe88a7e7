"""Celery's configuration."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from celery.app.defaults import NAMESPACES, flatten
from hypothesis import given
from hypothesis import strategies as st

from config import load_settings
from config.celery_conf import celery_config


@pytest.fixture
def conf() -> dict[str, Any]:
    return celery_config(load_settings())


def test_every_key_is_one_that_celery_knows(conf: dict[str, Any]) -> None:
    read_by_the_backend_alone = {"redis_backend_health_check_interval"}
    assert set(conf) - read_by_the_backend_alone <= {entry[0] for entry in flatten(NAMESPACES)}


@given(st.integers(30, 10_000), st.integers(1, 100), st.integers(1, 100))
def test_no_message_comes_again_while_the_longest_job_may_run(
    timeout: int, grace: int, margin_s: int
) -> None:
    settings = load_settings(max_timeout=timeout, max_grace=grace, engine_margin=margin_s)
    visibility_s = celery_config(settings)["broker_transport_options"]["visibility_timeout"]
    assert visibility_s > settings.longest.hard_s


def test_nothing_but_json_is_read_or_written(conf: dict[str, Any]) -> None:
    assert conf["accept_content"] == ["json"]
    assert conf["task_serializer"] == conf["result_serializer"] == "json"


def test_a_job_is_acknowledged_when_it_is_done_and_comes_back_from_a_lost_worker(
    conf: dict[str, Any],
) -> None:
    assert conf["task_acks_late"] is True
    assert conf["task_retry_on_worker_lost"] or conf["task_reject_on_worker_lost"]


def test_a_worker_takes_no_more_than_it_runs(conf: dict[str, Any]) -> None:
    assert conf["worker_prefetch_multiplier"] == 1


def test_soft_stays_below_hard_where_a_message_has_no_limits(conf: dict[str, Any]) -> None:
    assert conf["task_soft_time_limit"] < conf["task_time_limit"]


def test_the_result_backend_is_the_broker_unless_told_otherwise() -> None:
    same = celery_config(load_settings(broker_url="redis://a/1"))
    other = celery_config(load_settings(broker_url="redis://a/1", result_backend="redis://b/2"))
    assert (same["result_backend"], other["result_backend"]) == ("redis://a:6379/1", "redis://b:6379/2")


def test_the_default_queue_is_cellblock(conf: dict[str, Any]) -> None:
    assert conf["task_default_queue"] == "cellblock"
    assert "cellblock" in conf["task_queues"]


def test_a_worker_takes_nothing_from_anybody_elses_queue(conf: dict[str, Any]) -> None:
    assert list(conf["task_queues"]) == ["cellblock"]


def test_the_broker_is_asked_for_ever_and_never_waited_for_for_ever(conf: dict[str, Any]) -> None:
    assert conf["broker_connection_retry_on_startup"] is True
    assert conf["broker_connection_max_retries"] is None
    assert conf["broker_channel_error_retry"] is True
    assert conf["broker_transport_options"] == {
        "visibility_timeout": conf["task_time_limit"] + 60,
        "priority_steps": list(range(10)),
        "socket_timeout": 30.0,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        "health_check_interval": 25.0,
        "retry_on_timeout": True,
    }


@pytest.mark.parametrize(("margin_s", "connect_s"), [(15, 5.0), (4, 2.0)])
def test_a_silent_result_backend_is_found_out_before_the_next_rung(margin_s: float, connect_s: float) -> None:
    conf = celery_config(load_settings(engine_margin=margin_s, silence=100))
    assert (conf["redis_socket_timeout"], conf["redis_socket_connect_timeout"]) == (margin_s / 2, connect_s)
    assert (conf["redis_backend_health_check_interval"], conf["redis_retry_on_timeout"]) == (25.0, True)
    assert conf["redis_socket_keepalive"] is True


def test_an_app_that_asks_for_a_result_waits_for_redis_four_times_as_long_as_a_worker_may_be_silent() -> None:
    conf = celery_config(load_settings(silence=2.6, engine_margin=100))
    assert conf["result_backend_always_retry"] is True
    assert conf["result_backend_max_retries"] == 11
    assert conf["result_backend_max_sleep_between_retries_ms"] == 1000
    assert conf["result_backend_transport_options"] == {
        "retry_policy": {
            "timeout": 10.4,
            "max_retries": 110,
            "interval_start": 0.05,
            "interval_step": 0.2,
            "interval_max": 1.0,
        }
    }


def test_a_result_is_forgotten_when_the_operator_says() -> None:
    assert celery_config(load_settings(result_expires=77))["result_expires"] == 77


def test_of_several_queues_the_first_is_where_jobs_go() -> None:
    conf = celery_config(load_settings(queues="one,two"))
    assert conf["task_default_queue"] == "one"
    assert conf["task_queues"] == {
        "one": {"exchange": "one", "routing_key": "one"},
        "two": {"exchange": "two", "routing_key": "two"},
    }


def test_a_worker_has_our_own_autoscaler_and_consumer_and_tells_what_it_does(conf: dict[str, Any]) -> None:
    assert conf["worker_autoscaler"] == "tasks.pool.autoscaler:Autoscaler"
    assert conf["worker_consumer"] == "tasks.delivery.judged_consumer:Consumer"
    assert (conf["worker_send_task_events"], conf["worker_hijack_root_logger"]) == (True, True)
    assert conf["worker_disable_prefetch"] is True


def test_a_message_with_no_limits_gets_those_of_the_longest_job() -> None:
    settings = load_settings(max_timeout=100, max_grace=10, engine_margin=5)
    conf = celery_config(settings)
    rungs = (settings.longest.soft_s, settings.longest.hard_s)
    assert (conf["task_soft_time_limit"], conf["task_time_limit"]) == rungs


def test_rabbitmq_has_neither_redis_options_of_tls_nor_its_queues_disabled() -> None:
    conf = celery_config(load_settings(broker_url="amqps://rabbit", result_backend="redis://redis"))
    assert conf["worker_disable_prefetch"] is False
    assert not conf.keys() & {"broker_use_ssl", "redis_backend_use_ssl"}


@pytest.mark.parametrize(
    ("side", "key"), [("broker_url", "broker_use_ssl"), ("result_backend", "redis_backend_use_ssl")]
)
def test_each_side_speaks_tls_by_itself(side: str, key: str) -> None:
    conf = celery_config(
        load_settings(**{"broker_url": "redis://a", "result_backend": "redis://b"} | {side: "rediss://c"})
    )
    assert [name for name in conf if name.endswith("use_ssl")] == [key]
    assert conf[key] == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


def test_a_socket_knows_nothing_of_tcp() -> None:
    conf = celery_config(load_settings(broker_url="redis+socket:///run/redis.sock"))
    assert "redis_socket_keepalive" not in conf
    assert not conf["broker_transport_options"].keys() & {"socket_connect_timeout", "socket_keepalive"}
    assert conf["broker_transport_options"]["socket_timeout"] == 30.0


def test_both_sides_know_the_sentinels_name_and_wait_two_seconds_for_each() -> None:
    conf = celery_config(load_settings(broker_url="sentinel://a,b?master_name=m"))
    for options in ("broker_transport_options", "result_backend_transport_options"):
        assert conf[options]["master_name"] == "m"
        assert conf[options]["sentinel_kwargs"] == {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}
