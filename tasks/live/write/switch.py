"""Whether a job has live output: the operator's setting decides, then the job's header."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tasks.headers import LIVE
from tasks.settings import this_settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from config import Settings
    from tasks.live.write.live_output import LiveOutput

__all__ = ["live_output", "warn_of_no_live_output"]

_log = logging.getLogger("cellblock")
# A stream whose worker has died lasts this much longer than the longest job.
_ROOM_S = 60.0


def live_output(request: Any, attempt: int) -> AbstractContextManager[LiveOutput | None]:  # noqa: ANN401  Celery's own
    """The observer that streams the output of the request's job; None if live output is off."""
    settings = this_settings()
    if request.get("is_eager") or not _wanted(settings, request.get(LIVE)):
        return nullcontext()
    from tasks.live.entry import key_of
    from tasks.live.place import keeps_live_output, live_redis
    from tasks.live.write.live_output import LiveOutput
    from tasks.live.write.stream import LiveStream

    if not keeps_live_output():
        return nullcontext()
    stream = LiveStream(
        live_redis(),
        key_of(request.id),
        attempt=attempt,
        limit_bytes=settings.live_limit,
        lasts_s=settings.longest.hard_s + _ROOM_S,
        lingers_s=settings.live_expires,
    )
    return LiveOutput(stream, request.id, settings.live_limit)


def _wanted(settings: Settings, asked: object) -> bool:
    """With `on`, all jobs have live output but those that decline it; with `asked`, those that ask for it."""
    return settings.live != "off" and (asked if isinstance(asked, bool) else settings.live == "on")


def warn_of_no_live_output(**_: object) -> None:
    """Log a warning if the operator wants live output, and the result backend can't hold it."""
    from tasks.live.place import keeps_live_output

    if this_settings().live == "on" and not keeps_live_output():
        _log.warning("There is no live output (CELLBLOCK_LIVE=on): the result backend is not Redis")
