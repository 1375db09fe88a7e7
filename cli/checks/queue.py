"""Redis: whether it answers, keeps what it is given, tells the time, and gives messages back in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from cli.checks.finding import ok, problem, warning
from cli.checks.requirements import broker, require_broker
from config import load_settings
from config.celery_conf import celery_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from cli.checks.finding import Finding

__all__ = ["clock", "clock_skew", "persistence", "server", "visibility"]

_OLDEST = (6, 2)
_NEARLY_FULL = 0.8
# Deadlines and times in the queue are compared between hosts.
_MOST_SKEW_S = 1.0
# What a worker of any other Celery app goes by.
_CELERYS_VISIBILITY_S = 3600.0


def _url() -> str:
    return load_settings().broker_url.get_secret_value()


def server() -> Iterator[Finding]:
    """Redis answers, is recent enough, and throws no queued job away; the result backend answers too."""
    settings = load_settings()
    about = require_broker(settings)
    if not about:
        yield ok("the broker is not Redis: not examined")
        return
    version = str(about["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        yield problem(f"Redis {version} answers", "use Redis 6.2 or newer")
    else:
        yield ok(f"Redis {version} answers")
    yield from _memory(about)
    if settings.result_backend:
        with broker(settings.result_backend.get_secret_value()) as client:
            yield ok(
                "the result backend answers" if client and client.ping() else "the results: not in Redis"
            )


def _memory(about: dict[str, Any]) -> Iterator[Finding]:
    policy = about.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield ok("maxmemory-policy noeviction: no queued job is thrown away")
    else:
        yield problem(
            f"Redis may throw queued jobs away (maxmemory-policy {policy})",
            "redis-cli config set maxmemory-policy noeviction",
        )
    most = about.get("maxmemory") or 0
    if most and about["used_memory"] > _NEARLY_FULL * most:
        yield warning(
            f"Redis holds {about['used_memory_human']} of {about['maxmemory_human']}, and refuses more",
            "raise maxmemory, lower CELLBLOCK_RESULT_EXPIRES, or add workers",
        )


def persistence() -> Iterator[Finding]:
    """What a restart of Redis would lose."""
    about = require_broker(load_settings())
    if not about:
        yield ok("the broker is not Redis: not examined")
    elif about.get("aof_enabled"):
        yield _append_only(about)
    else:
        yield _snapshots(about)


def _append_only(about: dict[str, Any]) -> Finding:
    if about.get("aof_last_write_status", "ok") != "ok":
        return problem("Redis cannot write its append-only file", "see Redis's log, and the room on its disk")
    match _configured("appendfsync"):
        case "always":
            return ok("append-only file, written at once: a crash of Redis's host loses nothing")
        case "no":
            return warning(
                "append-only file, written at leisure: a crash of Redis's host loses half a minute",
                "redis-cli config set appendfsync everysec",
            )
        case _:
            return ok("append-only file, written every second: a crash of Redis's host loses the last second")


def _snapshots(about: dict[str, Any]) -> Finding:
    mend = "redis-cli config set appendonly yes, and appendonly yes in redis.conf"
    if about.get("rdb_last_bgsave_status", "ok") != "ok":
        return problem("Redis cannot write its snapshot", "see Redis's log, and the room on its disk")
    if _configured("save") == "":
        return warning("Redis keeps nothing on disk: its restart loses every queued job and result", mend)
    minutes = (time.time() - about["rdb_last_save_time"]) / 60
    return warning(
        f"Redis saves snapshots alone: a crash now would lose {about['rdb_changes_since_last_save']} changes"
        f" of the last {minutes:.0f} minutes",
        mend,
    )


def _configured(name: str) -> str | None:
    """A setting of the server; None where it does not tell, as hosted ones do not."""
    with broker(_url()) as client:
        try:
            told = client.config_get(name) if client else {}
        except ResponseError:
            return None
    return dict(told).get(name)


def visibility() -> Iterator[Finding]:
    """No message is delivered again while its job may still run."""
    settings = load_settings()
    again_s = celery_config(settings)["broker_transport_options"]["visibility_timeout"]
    longest_s = settings.longest.hard_s
    says = f"a message comes again after {again_s:.0f} s; the longest job is stopped by {longest_s:.0f} s"
    if again_s <= longest_s:
        yield problem(says, "lower CELLBLOCK_MAX_TIMEOUT")
    elif longest_s > _CELERYS_VISIBILITY_S:
        yield warning(
            f"{says}; a worker of another app in the same Redis database gives it back after an hour already",
            "a database of its own for cellblock: CELLBLOCK_BROKER_URL=redis://…/1",
        )
    else:
        yield ok(says)


def clock() -> Iterator[Finding]:
    """This host and Redis agree on the time."""
    with broker(_url()) as client:
        if client is None:
            yield ok("the broker is not Redis: not examined")
            return
        skew_s, error_s = clock_skew(client, time.time)
    says = f"this host's clock differs from Redis's by {abs(skew_s):.3f} s (give or take {error_s:.3f})"
    if abs(skew_s) - error_s > _MOST_SKEW_S:
        yield warning(f"{says}: times in the queue and deadlines are off by as much", "run NTP on both hosts")
    else:
        yield ok(says)


def clock_skew(client: redis.Redis, now: Callable[[], float]) -> tuple[float, float]:
    """How far `now` is behind Redis's clock, and how far that may be wrong, in seconds."""
    client.ping()
    asked = now()
    seconds, microseconds = client.time()
    answered = now()
    return seconds + microseconds / 1e6 - (asked + answered) / 2, (answered - asked) / 2
