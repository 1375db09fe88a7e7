"""A job that was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cellblock.result import Result
    from cellblock.results import Results
    from cellblock.shared.entry import LiveEntry

__all__ = ["FIRST", "Job"]

#: The id before those of all entries.
FIRST = "0"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was sent. Another process gets the same by `Cellblock.job(id)`."""

    id: str
    _results: Results = field(repr=False, compare=False)

    def ready(self) -> bool:
        """Whether the job is over.

        Raises:
            BrokerUnreachable: the Redis with the results does not answer.
        """
        return self._results.find(self.id) is not None

    def get(self, timeout: float | None = None) -> Result:
        """Wait for the job and return its result. A command that fails has a result like any other.

        Raises:
            TimeoutError: it took longer than `timeout` seconds, in the queue and in its cell. It goes on.
            CommandFailed: the job has `check=True`, and its command did not succeed.
            InvalidJob: the worker refused the request.
            QueueFull: too many jobs wait. Send it again after `retry_after` seconds.
            CellblockError: another error of the tree, such as SandboxUnavailable or BrokerUnreachable.
        """
        return self._results.wait(self.id, timeout)

    async def get_async(self, timeout: float | None = None) -> Result:
        """The same as `get`, for asyncio."""
        return await self._results.wait_async(self.id, timeout)

    def follow(self, *, after: str = FIRST) -> Iterator[LiveEntry]:
        """Iterate over the output of a job that was sent with `live=True`, old and new, until it is over.

        The last entry is of kind `end`. `after` is the id of an entry: only later entries follow. A short
        outage of Redis is waited for.

        Raises:
            BrokerUnreachable: Redis does not answer any more. Go on later, with `after`.
        """
        return self._results.follow(self.id, after)

    def follow_async(self, *, after: str = FIRST) -> AsyncIterator[LiveEntry]:
        """The same as `follow`, for asyncio, with a connection of its own."""
        return self._results.follow_async(self.id, after)

    def cancel(self) -> None:
        """Cancel the job: it ends within two seconds as `cancelled`, or does not start.

        A job that already has its result keeps it.

        Raises:
            BrokerUnreachable: the Redis with the results does not answer.
        """
        self._results.cancel(self.id)

    async def cancel_async(self) -> None:
        """The same as `cancel`, for asyncio."""
        import asyncio

        await asyncio.to_thread(self.cancel)
