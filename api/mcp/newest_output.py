"""The newest output of a job that runs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.live import END, START, follow_async

if TYPE_CHECKING:
    from tasks.live import LiveEntry

__all__ = ["NewestOutput"]

_log = logging.getLogger("cellblock.mcp")

_KEPT_BYTES = 8 << 10
# Most jobs are over by then, and need no connection of their own.
_BEGIN_S, _AGAIN_S = 0.7, 1.0


class NewestOutput:
    """Follows a job, and keeps the last bytes that it has written to either stream."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._after = "0"
        #: How many bytes the job has written.
        self.total_bytes = 0
        self.has_started = False

    @property
    def text(self) -> str:
        """The last bytes, without half a character at their start."""
        return self._kept.decode(errors="ignore")

    @property
    def last_line(self) -> str:
        """The last line that is not empty."""
        return next((line for line in reversed(self.text.splitlines()) if line.strip()), "")

    async def follow(self, job_id: str) -> None:
        """Follow the job to its end. Begins again where it was when Redis was away."""
        await asyncio.sleep(_BEGIN_S)
        while True:
            try:
                async for entry in follow_async(job_id, after=self._after):
                    if entry.kind == END:
                        return
                    self._take(entry)
            except (RedisError, OSError) as error:
                _log.info("The output of a job can't be followed: %s", type(error).__name__)
            await asyncio.sleep(_AGAIN_S)

    def _take(self, entry: LiveEntry) -> None:
        self._after, self.has_started = entry.id, True
        if entry.kind == START:
            self._kept.clear()
            self.total_bytes = 0
            return
        self.total_bytes += entry.skipped_bytes + len(entry.data)
        self._kept += entry.data
        del self._kept[:-_KEPT_BYTES]
