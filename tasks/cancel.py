"""Cancels jobs, from an app or by hand."""

from __future__ import annotations

__all__ = ["cancel"]


def cancel(task_id: str) -> None:
    """Cancel a job: it ends within two seconds as `cancelled`, with its output so far, or does not start.

    No worker has to listen: the cancel request is kept in the result backend until the process that has the
    job sees it. A job that already has its result keeps it.

    Raises:
        BrokerUnreachable: results do not go to a Redis, so the cancel request cannot be stored.
        redis.exceptions.RedisError: there was no answer.
    """
    from sandbox import BrokerUnreachable
    from tasks.lease import ask_to_cancel
    from tasks.results.worker_backend import result_redis

    redis = result_redis()
    if redis is None:
        raise BrokerUnreachable(
            "Jobs are cancelled through the Redis that results go to. Try: set CELLBLOCK_RESULT_BACKEND."
        )
    ask_to_cancel(redis, task_id)
