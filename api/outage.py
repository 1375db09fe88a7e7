"""What is said while Redis is away: to the callers, and once a minute in the log."""

from __future__ import annotations

import logging
import time

from api.problems import Problem
from sandbox import CellblockError
from tasks.redis_errors import explain_redis
from tasks.settings import this_settings

__all__ = ["away", "note_outage"]

_log = logging.getLogger("cellblock.api")

_AGAIN_S = 60.0
_MOST = 100
_said_s: dict[str, float] = {}


def away() -> Problem:
    """The answer while Redis is away. Its address is not the caller's business."""
    return Problem.later(503, "unavailable", "The queue cannot be reached now. Send the request again soon.")


def note_outage(error: BaseException) -> None:
    """Log why Redis does not answer, and what to try."""
    sentence = str(error) if isinstance(error, CellblockError) else _sentence(error)
    now_s = time.monotonic()
    if now_s - _said_s.get(sentence, -_AGAIN_S) < _AGAIN_S:
        return
    if len(_said_s) >= _MOST:
        _said_s.clear()
    _said_s[sentence] = now_s
    _log.warning("%s", sentence)


def _sentence(error: BaseException) -> str:
    settings = this_settings()
    variable = "CELLBLOCK_RESULT_BACKEND" if settings.result_backend else "CELLBLOCK_BROKER_URL"
    return explain_redis(error, settings.results, variable)
