"""Celery's configuration."""

from __future__ import annotations

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
def test_no_message_comes_again_while_the_longest_job_may_run(timeout: int, grace: int, margin: int) -> None:
    settings = load_settings(max_timeout=timeout, max_grace=grace, margin=margin)
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
    assert (same["result_backend"], other["result_backend"]) == ("redis://a/1", "redis://b/2")


def test_the_default_queue_is_cellblock(conf: dict[str, Any]) -> None:
    assert conf["task_default_queue"] == "cellblock"
    assert "cellblock" in conf["task_queues"]


def test_a_plain_app_reaches_the_worker_through_celerys_own_queue(conf: dict[str, Any]) -> None:
    assert "celery" in conf["task_queues"]
