"""Logs, while the broker is away or refuses writes, the reason and what to try, once a minute at most."""

from __future__ import annotations

import logging
import time

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tasks.redis_errors import broker_sentence

__all__ = ["Outage", "filter_connection_lines"]

# Celery logs a line at every attempt to connect, which gives only the class of the error.
_AGAIN_S = 60.0
_LOGGERS = ("celery.worker.consumer.consumer", "kombu.transport.redis", "kombu.asynchronous.hub")
_ERRORS = (RedisError, OperationalError, OSError)


class Outage(logging.Filter):
    """Rewrites Celery's lines about its connection, and drops one that repeats within a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be logged."""
        error = _error_of(record)
        if error is None or record.levelno < logging.WARNING:
            return True
        sentence = broker_sentence(error)
        if time.monotonic() - self._said.get(sentence, -_AGAIN_S) < _AGAIN_S:
            return False
        self._said[sentence] = time.monotonic()
        record.msg, record.args = "%s The worker waits.", (sentence,)
        record.exc_info = record.exc_text = None
        return True


def _error_of(record: logging.LogRecord) -> BaseException | None:
    """The connection error in a record: one of its arguments, or its exception. None if there is none."""
    told = record.args if isinstance(record.args, tuple) else ()
    raised = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return next((one for one in (*told, raised) if isinstance(one, _ERRORS)), None)


def filter_connection_lines(**_: object) -> None:
    """Put one filter before the loggers that write about the worker's connection."""
    outage = Outage()
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(outage)
