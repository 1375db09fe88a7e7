"""The blob store for asyncio: each step of it in one of a few threads."""

from __future__ import annotations

from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync

from api.problems import Problem
from config.blob_place import BlobKind
from sandbox.blobs import Blob, read_blob
from tasks.blobs import open_blobs
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from sandbox.blobs import BlobStore

__all__ = ["Blobs"]

T = TypeVar("T")

_THREADS = 8
_PIECE_BYTES = 1 << 20


class Blobs:
    """Stores, reads and removes the blobs of tenants.

    Every method raises `BlobsUnavailable` if the store does not answer, and Problem if there is none.
    """

    def __init__(self) -> None:
        self._threads = CapacityLimiter(_THREADS)

    async def put(self, tenant: str, pieces: AsyncIterator[bytes]) -> Blob:
        """Store a content.

        Raises:
            BlobsFull: it is more than the operator allows.
        """
        async with self._opened(tenant) as store, self._entered(store.writer()) as writer:
            held = bytearray()
            async for piece in pieces:
                held += piece
                if len(held) >= _PIECE_BYTES:
                    await self._in_thread(partial(writer.feed, bytes(held)))
                    held.clear()
            await self._in_thread(partial(writer.feed, bytes(held)))
            return await self._in_thread(writer.commit)

    async def size(self, tenant: str, ref: str) -> int | None:
        """The bytes of a blob; None if there is none."""
        async with self._opened(tenant) as store:
            return await self._in_thread(lambda: store.size(ref))

    async def read(self, tenant: str, blob: Blob) -> AsyncIterator[bytes]:
        """The pieces of a blob. The last one comes once all together are what was stored.

        Raises:
            InvalidJob: it has expired meanwhile, or is not what was stored.
        """
        async with self._opened(tenant) as store:
            pieces, held = read_blob(store, blob), b""
            while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
                if held:
                    yield held
                held = piece
            yield held

    async def remove(self, tenant: str, ref: str) -> bool:
        """Remove a blob. False if there is none."""
        async with self._opened(tenant) as store:
            return await self._in_thread(lambda: store.remove(ref))

    @asynccontextmanager
    async def _opened(self, tenant: str) -> AsyncIterator[BlobStore]:
        settings = this_settings()
        if settings.blob_place.kind is BlobKind.OFF:
            raise Problem(404, "not-found", "There is no blob store here (CELLBLOCK_BLOBS=off).")
        async with self._entered(open_blobs(settings, tenant)) as store:
            yield store

    @asynccontextmanager
    async def _entered(self, manager: AbstractContextManager[T]) -> AsyncIterator[T]:
        """A context that is entered and left in threads, also when the caller goes."""
        stack = ExitStack()
        entered = await self._in_thread(lambda: stack.enter_context(manager))
        try:
            yield entered
        finally:
            with CancelScope(shield=True):
                await self._in_thread(stack.close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self._threads)
