"""The blobs of sessions: images are read from the store, and workspaces that nobody needs are removed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from api.mcp.in_thread import in_thread
from sandbox import CellblockError
from sandbox.blobs import read_blob
from tasks.blobs.open import open_blobs
from tasks.settings import this_settings

if TYPE_CHECKING:
    from sandbox.blobs import Blob

__all__ = ["read_whole", "remove_workspace"]

_log = logging.getLogger("cellblock.mcp")

# Two sessions could have the same small workspace, such as an empty one. Only these share a ref.
_SMALL_BYTES = 64 << 10


async def read_whole(blob: Blob, tenant: str) -> bytes:
    """The content of a blob.

    Raises:
        CellblockError: it has expired, or the store does not give it.
    """

    def read() -> bytes:
        with open_blobs(this_settings(), tenant) as store:
            return b"".join(read_blob(store, blob))

    return await in_thread(read)


async def remove_workspace(ref: str, tenant: str) -> None:
    """Remove a workspace that its session has left behind. One that is not removed expires."""

    def remove() -> None:
        with open_blobs(this_settings(), tenant) as store:
            if (store.size(ref) or 0) > _SMALL_BYTES:
                store.remove(ref)

    try:
        await in_thread(remove)
    except CellblockError as error:
        _log.info("A workspace is left to expire: %s", error)
