"""Keeps the results of a job's runs in Redis while the job goes on, so that none is lost with its worker."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from sandbox import Observer
from sandbox.result import Limit, RunResult, RunVerdict, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

__all__ = ["EndedRuns", "ended_runs"]

_log = logging.getLogger("cellblock.ended_runs")


class EndedRuns(Observer):
    """Notes each run of one job that has ended. A later attempt of the job does not run it again.

    The notes expire `kept_s` seconds after the last one. Without Redis the runs go on, and are not noted.
    """

    def __init__(self, redis: Redis, task_id: str, kept_s: int) -> None:
        self._redis = redis
        self._task_id = task_id
        self._kept_s = kept_s

    def run_ended(self, run: int, result: RunResult) -> None:
        """Note the result of a run."""
        key = _key_of(self._task_id)
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, str(run), json.dumps(result.to_dict()))
                pipe.expire(key, self._kept_s)
                pipe.execute()
        except RedisError as error:
            _log.info("A run that has ended could not be noted: %s", type(error).__name__)

    def ended_runs(self) -> Mapping[int, RunResult]:
        """The runs that are noted."""
        try:
            return ended_runs(self._redis, self._task_id)
        except RedisError as error:
            _log.info("The runs that have ended could not be read: %s", type(error).__name__)
            return {}

    def forget(self) -> None:
        """Delete the notes: the job has its result."""
        try:
            self._redis.delete(_key_of(self._task_id))
        except RedisError as error:
            _log.info("The notes of a job's runs are left to expire: %s", type(error).__name__)


def ended_runs(redis: Redis, task_id: str) -> dict[int, RunResult]:
    """The runs of a job that are noted, by their place in the request.

    A note that this version can't read is left out, so that the run is made again.

    Raises:
        redis.exceptions.RedisError: there was no answer.
    """
    found: Any = redis.hgetall(_key_of(task_id))
    read = {int(run): _read(text) for run, text in found.items() if run.isdigit()}
    return {run: result for run, result in sorted(read.items()) if result is not None}


def _read(text: bytes) -> RunResult | None:
    words = {"status": Status, "verdict": RunVerdict, "limit": Limit}
    try:
        noted = json.loads(text)
        return RunResult(**noted | {name: word(noted[name]) for name, word in words.items() if noted[name]})
    except (ValueError, TypeError, KeyError):
        return None


def _key_of(task_id: str) -> str:
    return f"cellblock.runs:{task_id}"
