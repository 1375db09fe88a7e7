"""Checks of Redis: its answer, memory, rights, clock and visibility timeout, and what its restart loses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from cli.checks.finding import ok, problem, unseen, warning
from cli.checks.requirements import about_redis, broker, redis_places, require_broker
from config import load_settings
from config.celery_conf import celery_config
from tasks.redis_rights import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from cli.checks.finding import Finding

__all__ = ["clock", "clock_skew", "persistence", "rights", "server", "visibility"]

_OLDEST = (6, 2)
_NEARLY_FULL = 0.8
# The connections that another worker and some apps need.
_FEW_CONNECTIONS = 100
# Deadlines and times in the queue are compared between hosts.
_MOST_SKEW_S = 1.0
# The default of Celery, for workers of any other app.
_CELERYS_VISIBILITY_S = 3600.0


def server() -> Iterator[Finding]:
    """Each Redis in use answers, is a recent primary with room, and evicts no queued job."""
    settings = load_settings()
    require_broker(settings)
    for address, variable in redis_places(settings).items():
        with broker(address, variable) as client:
            if client is None:
                yield ok(f"RabbitMQ answers at {address}")
                continue
            whose = "" if variable == "CELLBLOCK_BROKER_URL" else "the results' "
            yield from _about(about_redis(client), whose)


def _about(about: dict[str, Any], whose: str) -> Iterator[Finding]:
    if not about:
        yield ok(f"{whose}Redis answers")
        yield unseen(f"{whose}version, memory and connections; the user may not ask (INFO)")
        return
    version = str(about["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        yield problem(f"{whose}Redis {version} answers", "use Redis 6.2 or newer")
    else:
        yield ok(f"{whose}Redis {version} answers")
    yield from _memory(about)
    yield from _connections(about)


def _memory(about: dict[str, Any]) -> Iterator[Finding]:
    policy = about.get("maxmemory_policy")
    if policy is None:
        yield unseen("Redis does not tell its maxmemory-policy")
    elif policy == "noeviction":
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


def _connections(about: dict[str, Any]) -> Iterator[Finding]:
    """INFO has `maxclients` since about Redis 6.2. Hosted servers leave it out."""
    most, there = about.get("maxclients"), about.get("connected_clients")
    if most is not None and there is not None and most - there < _FEW_CONNECTIONS:
        yield warning(
            f"Redis has {there} of at most {most} connections; a worker takes about 40",
            "redis-cli config set maxclients 10000",
        )


def rights() -> Iterator[Finding]:
    """Redis would carry out each kind of command that is needed. The check itself carries out none."""
    settings = load_settings()
    for address, variable in redis_places(settings).items():
        with broker(address, variable) as client:
            if client is None:
                yield unseen("RabbitMQ's permissions show when a worker starts")
                continue
            refused = refusals(client, settings.queues.split(",")[0])
        if refused:
            names = ", ".join(name for name, _ in refused)
            yield problem(
                f"Redis at {address} would refuse {names}: {refused[0][1]}",
                "give the user the rights in docs/how-to/choose-a-broker.md",
            )
        else:
            yield ok(f"Redis at {address} carries out what is needed")


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
    settings = load_settings()
    with broker(settings.results, "CELLBLOCK_RESULT_BACKEND") as client:
        if client is None:
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


def persistence() -> Iterator[Finding]:
    """Redis writes its data to disk every second or at once, so that its restart loses little or nothing."""
    for address, variable in redis_places(load_settings()).items():
        with broker(address, variable) as client:
            if client is None:
                yield unseen("what RabbitMQ keeps depends on its own queues and policies")
                continue
            about = about_redis(client)
            if "aof_enabled" not in about:
                yield unseen("Redis does not tell what it writes to disk")
            elif about["aof_enabled"]:
                yield _append_only(about, _configured(client, "appendfsync"))
            else:
                yield _snapshots(about, _configured(client, "save"))


def _append_only(about: dict[str, Any], written: str | None) -> Finding:
    if about.get("aof_last_write_status", "ok") != "ok":
        return problem("Redis cannot write its append-only file", "see Redis's log, and the room on its disk")
    match written:
        case "always":
            return ok("append-only file, written at once: a crash of Redis's host loses nothing")
        case "no":
            return warning(
                "append-only file, written when Linux decides: a crash of Redis's host loses half a minute",
                "redis-cli config set appendfsync everysec",
            )
        case "everysec":
            return ok("append-only file, written every second: a crash of Redis's host loses the last second")
        case _:
            return unseen("there is an append-only file; how often it is written, Redis does not tell")


def _snapshots(about: dict[str, Any], saves: str | None) -> Finding:
    mend = "redis-cli config set appendonly yes, and appendonly yes in redis.conf"
    if about.get("rdb_last_bgsave_status", "ok") != "ok":
        return problem("Redis cannot write its snapshot", "see Redis's log, and the room on its disk")
    if saves == "":
        return warning("Redis keeps nothing on disk: its restart loses every queued job and result", mend)
    minutes = (time.time() - about["rdb_last_save_time"]) / 60
    return warning(
        f"Redis saves snapshots alone: a crash now would lose {about['rdb_changes_since_last_save']} changes"
        f" of the last {minutes:.0f} minutes",
        mend,
    )


def _configured(client: redis.Redis, name: str) -> str | None:
    """A setting of the server; None if the server does not tell it, as hosted ones do not."""
    try:
        told = dict(client.config_get(name))
    except ResponseError:
        return None
    return told.get(name)
