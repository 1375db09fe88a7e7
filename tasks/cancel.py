"""Cancels jobs, from an app or by hand."""

from __future__ import annotations

__all__ = ["cancel"]


def cancel(task_id: str) -> None:
    """Have a job end within two seconds as `cancelled`, with its output so far; or not start, if it waits.

    It needs no worker to listen: the wish is kept in the result backend until whoever has the job sees it. A
    job that has its result keeps it.

    Raises:
        BrokerUnreachable: results do not go to a Redis, where such a wish could be left.
        redis.exceptions.RedisError: there was no answer.
    """
    from sandbox import BrokerUnreachable
    from tasks.lease import ask_to_cancel, result_redis

    redis = result_redis()
    if redis is None:
        raise BrokerUnreachable(
            "Jobs are cancelled through the Redis that results go to. Try: set CELLBLOCK_RESULT_BACKEND."
        )
    ask_to_cancel(redis, task_id)
