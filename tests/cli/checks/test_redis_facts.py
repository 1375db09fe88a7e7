"""How `doctor` judges each fact that Redis reports, up to the value where it becomes a finding."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.exceptions import ClusterError

from cli.checks import queue
from cli.checks.requirements import about_redis

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    Examine = Callable[..., list[dict[str, Any]]]

FINE: dict[str, Any] = {
    "redis_version": "7.2.4",
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 1,
}


@pytest.mark.parametrize("sign", [{"cluster_enabled": 1}, {"redis_mode": "cluster"}])
def test_a_cluster_is_known_by_either_sign(sign: dict[str, Any]) -> None:
    one = cast("redis.Redis", SimpleNamespace(info=lambda: FINE | sign))
    with pytest.raises(ClusterError):
        about_redis(one)


@pytest.mark.parametrize(
    ("version", "level"), [("7.2.4", "ok"), ("6.2.0", "ok"), ("10.0", "ok"), ("6.1.9", "problem")]
)
def test_redis_from_6_2_on_is_recent_enough(version: str, level: str) -> None:
    finding = next(queue._about(FINE | {"redis_version": version}, ""))
    assert (finding.level, finding.message) == (level, f"Redis {version} answers")


@pytest.mark.parametrize(
    ("policy", "level", "words"),
    [
        ("noeviction", "ok", "maxmemory-policy noeviction: no queued job is thrown away"),
        ("volatile-ttl", "problem", "Redis may throw queued jobs away (maxmemory-policy volatile-ttl)"),
        (None, "skipped", "not examined: Redis does not tell its maxmemory-policy"),
    ],
)
def test_a_policy_that_throws_jobs_away_is_a_problem(policy: str | None, level: str, words: str) -> None:
    (_, finding) = queue._about(FINE | {"maxmemory_policy": policy}, "")
    assert (finding.level, finding.message) == (level, words)


def test_what_is_said_of_the_results_redis_names_it() -> None:
    assert next(queue._about(FINE, "the results' ")).message == "the results' Redis 7.2.4 answers"


def test_a_redis_that_may_not_be_asked_answers_at_least() -> None:
    assert [(one.level, one.message[:20]) for one in queue._about({}, "")] == [
        ("ok", "Redis answers"),
        ("skipped", "not examined: versio"),
    ]


@pytest.mark.parametrize(("used", "is_full"), [(80, False), (81, True)])
def test_four_fifths_of_the_memory_is_nearly_full(used: int, is_full: bool) -> None:
    sizes = {"used_memory_human": "81B", "maxmemory_human": "100B"}
    found = list(queue._memory(FINE | sizes | {"maxmemory": 100, "used_memory": used}))
    assert [one.message for one in found[1:]] == (
        ["Redis holds 81B of 100B, and refuses more"] if is_full else []
    )


@pytest.mark.parametrize(
    ("facts", "is_crowded"),
    [
        ({"maxclients": 1000, "connected_clients": 900}, False),
        ({"maxclients": 1000, "connected_clients": 901}, True),
        ({"maxclients": 1000}, False),
        ({"connected_clients": 5000}, False),
        ({"maxclients": 40, "connected_clients": 0}, True),
    ],
    ids=str,
)
def test_fewer_than_a_hundred_connections_left_are_few(facts: dict[str, Any], is_crowded: bool) -> None:
    assert [one.level == "warning" for one in queue._connections(facts)] == [True] * is_crowded


@pytest.mark.parametrize(
    ("facts", "written", "level", "words"),
    [
        ({"aof_last_write_status": "err"}, "always", "problem", "Redis cannot write its append-only file"),
        ({"aof_last_write_status": "ok"}, "always", "ok", "append-only file, written at once"),
        ({}, "everysec", "ok", "append-only file, written every second"),
        ({}, "no", "warning", "append-only file, written when Linux decides"),
        ({}, None, "skipped", "not examined: there is an append-only file"),
    ],
)
def test_an_append_only_file_is_as_good_as_it_is_written(
    facts: dict[str, Any], written: str | None, level: str, words: str
) -> None:
    finding = queue._append_only(facts, written)
    assert (finding.level, finding.message.startswith(words)) == (level, True)


def test_snapshots_tell_how_old_the_last_is_in_minutes() -> None:
    facts = {"rdb_last_save_time": time.time() - 300, "rdb_changes_since_last_save": 7}
    finding = queue._snapshots(facts, "3600 1")
    assert finding.message.endswith("would lose 7 changes of the last 5 minutes")
    assert queue._snapshots(facts | {"rdb_last_bgsave_status": "err"}, "").level == "problem"
    assert queue._snapshots(facts, "").message.startswith("Redis keeps nothing on disk")
    assert queue._snapshots(facts, None).level == "warning"


@pytest.mark.parametrize(
    ("maximum", "level"), [("600", "ok"), ("1725", "ok"), ("1770", "warning"), ("3600", "warning")]
)
def test_an_hour_is_when_other_apps_workers_give_a_message_back(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, maximum: str, level: str
) -> None:
    monkeypatch.delenv("CELLBLOCK_ENGINE_MARGIN", raising=False)
    (found,) = examine("visibility", CELLBLOCK_MAX_TIMEOUT=maximum)
    longest_s = 2 * float(maximum) + 120
    assert (found["level"], f"stopped by {longest_s:.0f} s" in found["message"]) == (level, True)


@pytest.mark.parametrize(
    ("skew_s", "error_s", "level"),
    [(1.5, 0.4, "warning"), (-1.5, 0.4, "warning"), (1.5, 0.6, "ok"), (0, 2, "ok")],
)
def test_clocks_may_differ_by_a_second_beyond_what_the_way_takes(
    broker_url: str,
    examine: Examine,
    monkeypatch: pytest.MonkeyPatch,
    skew_s: float,
    error_s: float,
    level: str,
) -> None:
    # Replace the measurement: a test can't set the host's clock.
    monkeypatch.setattr(queue, "clock_skew", lambda *_: (skew_s, error_s))
    (found,) = examine("clock", CELLBLOCK_BROKER_URL=broker_url)
    assert (found["level"], f"by {abs(skew_s):.3f} s (give or take {error_s:.3f})" in found["message"]) == (
        level,
        True,
    )


def test_half_of_the_way_there_and_back_may_be_wrong(redis_url: str) -> None:
    import redis

    moments = iter([100.0, 102.0])
    with redis.Redis.from_url(redis_url) as server:
        skew_s, error_s = queue.clock_skew(server, lambda: next(moments))
    assert error_s == 1.0
    assert abs(skew_s - (time.time() - 101)) < 5


@pytest.mark.parametrize("check", ["redis", "persistence", "rights"])
def test_a_redis_for_results_is_examined_as_well(
    broker_url: str, redis_url: str, examine: Examine, check: str
) -> None:
    one = examine(check, CELLBLOCK_BROKER_URL=broker_url)
    two = examine(check, CELLBLOCK_BROKER_URL=broker_url, CELLBLOCK_RESULT_BACKEND=f"{redis_url}/63")
    assert (len(two), sum(found["message"].startswith("the results' Redis") for found in two)) == (
        2 * len(one),
        check == "redis",
    )
