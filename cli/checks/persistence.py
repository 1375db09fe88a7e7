"""What a restart of Redis would lose."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from cli.checks.finding import ok, problem, unseen, warning
from cli.checks.requirements import about_redis, broker, redis_places
from config import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from cli.checks.finding import Finding

__all__ = ["persistence"]


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
