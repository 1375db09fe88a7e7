"""Makes the result of a job that can't report any more, from the live output that was kept of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from redis.exceptions import RedisError

from sandbox import NoLiveOutput, Result, Status
from sandbox.result import RunResult
from tasks.live.read.follow import HeardSoFar, heard_so_far
from tasks.patience import patiently
from tasks.results.ended_runs import ended_runs
from tasks.results.worker_backend import result_redis

__all__ = ["result_so_far"]

_log = logging.getLogger("cellblock.so_far")


def result_so_far(task_id: str, status: Status, **facts: Any) -> Result:  # noqa: ANN401
    """The result of such a job, with the output that is in Redis. Waits for Redis.

    `facts` are the other arguments of `Result.without_report`.
    """
    heard = _heard(task_id)
    return replace(
        Result.without_report(status, **facts),
        stdout=heard.stdout.decode(errors="replace"),
        stderr=heard.stderr.decode(errors="replace"),
        stdout_bytes=heard.stdout_bytes,
        stderr_bytes=heard.stderr_bytes,
        stdout_truncated=len(heard.stdout) < heard.stdout_bytes,
        stderr_truncated=len(heard.stderr) < heard.stderr_bytes,
        runs=_ended(task_id),
    )


def _ended(task_id: str) -> list[RunResult]:
    redis = result_redis()
    return list(patiently(lambda: ended_runs(redis, task_id)).values()) if redis is not None else []


def _heard(task_id: str) -> HeardSoFar:
    try:
        return patiently(lambda: heard_so_far(task_id))
    except NoLiveOutput:
        return HeardSoFar(b"", b"", 0, 0)
    except RedisError as error:
        _log.warning("The output of a job can't be read from Redis: %s", type(error).__name__)
        return HeardSoFar(b"", b"", 0, 0)
