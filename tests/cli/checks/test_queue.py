"""What `doctor` finds about Redis, on servers that really have the problem."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cli.checks.queue import clock_skew
from tests.brokers import redis_program
from tests.programs import free_port, running_redis
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Examine = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def server(tmp_path: Path, redis_url: str) -> Iterator[redis.Redis]:
    """Gives a Redis that only this test uses, so that the test may break it."""
    with running_redis(tmp_path) as url, redis.Redis.from_url(url) as client:
        yield client
        # Without this, Redis writes all its data before it ends.
        client.config_set("save", "")
        client.config_set("appendonly", "no")


@pytest.fixture
def look(server: redis.Redis, examine: Examine) -> Callable[[str], tuple[str, str]]:
    """Gives a function that returns the level and message of the worst finding about that Redis."""

    def worst(check: str) -> tuple[str, str]:
        url = f"redis://127.0.0.1:{server.get_connection_kwargs()['port']}/0"
        found = examine(check, CELLBLOCK_BROKER_URL=url)
        one = max(found, key=lambda finding: ("skipped", "ok", "warning", "problem").index(finding["level"]))
        return one["level"], one["message"]

    return worst


def test_a_redis_that_evicts_is_a_problem(server: redis.Redis, look: Callable[..., Any]) -> None:
    server.config_set("maxmemory-policy", "allkeys-lru")
    assert look("redis") == ("problem", "Redis may throw queued jobs away (maxmemory-policy allkeys-lru)")


def test_a_redis_that_is_nearly_full_is_a_warning(server: redis.Redis, look: Callable[..., Any]) -> None:
    server.config_set("maxmemory", int(server.info()["used_memory"]) + 200_000)
    level, words = look("redis")
    assert (level, "refuses more" in words) == ("warning", True)


def test_a_redis_that_keeps_nothing_would_lose_everything(look: Callable[..., Any]) -> None:
    assert look("persistence") == (
        "warning",
        "Redis keeps nothing on disk: its restart loses every queued job and result",
    )


def test_with_snapshots_the_changes_since_the_last_are_told(
    server: redis.Redis, look: Callable[..., Any]
) -> None:
    server.config_set("save", "3600 1")
    server.mset({"one": 1, "two": 2, "three": 3})
    level, words = look("persistence")
    assert (level, "would lose 1 changes" in words or "would lose 3 changes" in words) == ("warning", True)


@pytest.mark.parametrize(
    ("appendfsync", "level", "loses"),
    [("everysec", "ok", "the last second"), ("always", "ok", "nothing"), ("no", "warning", "half a minute")],
)
def test_with_an_append_only_file_little_is_lost(
    server: redis.Redis, look: Callable[..., Any], appendfsync: str, level: str, loses: str
) -> None:
    server.config_set("appendfsync", appendfsync)
    server.config_set("appendonly", "yes")
    found = look("persistence")
    assert (found[0], found[1].endswith(f"loses {loses}")) == (level, True)


def test_a_snapshot_that_cannot_be_written_is_a_problem(
    server: redis.Redis, look: Callable[..., Any]
) -> None:
    server.config_set("save", "3600 1")
    server.config_set("rdbcompression", "no")
    server.set("large", bytes(1 << 20))
    # For this process the disk is full.
    limit_file_size(server.info()["process_id"], 1 << 16)
    server.bgsave()
    wait_until(lambda: server.info()["rdb_last_bgsave_status"] != "ok", 10, "the snapshot fails")
    assert look("persistence") == ("problem", "Redis cannot write its snapshot")


def limit_file_size(pid: int, most_bytes: int) -> None:
    """Forbid the process and its children to write files larger than this."""
    import resource

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def test_a_user_without_the_right_to_ask_is_told_what_can_be_seen(
    server: redis.Redis, examine: Examine
) -> None:
    server.config_set("appendonly", "yes")
    server.acl_setuser("app", enabled=True, passwords=["+word"], keys=["*"], commands=["+@all", "-config"])
    port = server.get_connection_kwargs()["port"]
    (found,) = examine("persistence", CELLBLOCK_BROKER_URL=f"redis://app:word@127.0.0.1:{port}/0")
    assert (found["level"], "append-only file" in found["message"]) == ("skipped", True)


def test_a_user_who_may_not_ask_is_told_that_redis_answers_and_no_more(
    server: redis.Redis, examine: Examine
) -> None:
    server.acl_setuser(
        "mute", enabled=True, passwords=["+word"], keys=["*"], channels=["*"], commands=["+@all", "-info"]
    )
    port = server.get_connection_kwargs()["port"]
    found = examine("redis", CELLBLOCK_BROKER_URL=f"redis://mute:word@127.0.0.1:{port}/0")
    assert [(one["level"], one["message"].partition(";")[0]) for one in found] == [
        ("ok", "Redis answers"),
        ("skipped", "not examined: version, memory and connections"),
    ]
    persistence = examine("persistence", CELLBLOCK_BROKER_URL=f"redis://mute:word@127.0.0.1:{port}/0")
    assert [one["message"] for one in persistence] == [
        "not examined: Redis does not tell what it writes to disk"
    ]


def test_a_cluster_is_refused_with_what_can_be_used(tmp_path: Path, examine: Examine) -> None:
    port = free_port()
    (tmp_path / "cluster").mkdir()
    # By default the port of its bus is 10,000 higher, and may not exist.
    bus = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    options = ["--port", str(port), *bus, "--save", ""]
    with redis_program(tmp_path / "cluster", *options), redis.Redis(port=port) as client:
        wait_until(lambda: answers(client), 10, "the cluster answers")
        (found,) = examine("redis", CELLBLOCK_BROKER_URL=f"redis://127.0.0.1:{port}/0")
    assert (found["level"], "cluster" in found["message"].lower()) == ("problem", True)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_result_backend_that_is_away_is_a_problem(broker_url: str, examine: Examine) -> None:
    found = examine(
        "redis", CELLBLOCK_BROKER_URL=broker_url, CELLBLOCK_RESULT_BACKEND="redis://127.0.0.1:1/0"
    )
    assert [finding["level"] for finding in found][-1] == "problem"


def test_jobs_longer_than_celerys_own_patience_want_a_database_of_their_own(examine: Examine) -> None:
    (found,) = examine("visibility", CELLBLOCK_MAX_TIMEOUT="3600")
    assert (found["level"], "another app" in found["message"]) == ("warning", True)


def test_clocks_that_agree_differ_by_less_than_the_way_takes(server: redis.Redis) -> None:
    skew_s, error_s = clock_skew(server, time.time)
    assert abs(skew_s) < error_s + 0.1


def test_a_clock_that_is_behind_is_measured(server: redis.Redis) -> None:
    # A test can't set the host's clock.
    skew_s, _ = clock_skew(server, lambda: time.time() - 90)
    assert 89 < skew_s < 91
