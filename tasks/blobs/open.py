"""Opens the store that the settings name, for one tenant."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.blob_place import BlobKind
from sandbox.errors import InvalidJob
from tasks.blobs.in_redis import RedisBlobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings
    from sandbox.blobs import BlobStore

__all__ = ["open_blobs", "worker_blobs"]


def worker_blobs(settings: Settings, tenant: str) -> BlobStore | None:
    """The store for a job in a worker, which waits for a Redis that is away. None if there is no store.

    It uses the connection of the results, so that nothing has to be closed.
    """
    from tasks.results.worker_backend import result_redis

    if settings.blob_place.kind is BlobKind.REDIS:
        return RedisBlobs(result_redis(), tenant, settings, None)
    return _elsewhere(settings, tenant)


@contextmanager
def open_blobs(settings: Settings, tenant: str = "") -> Iterator[BlobStore]:
    """The store for an app or a command, which says within some seconds that it is away.

    Raises:
        InvalidJob: the settings name no store.
    """
    from tasks.redis_client import open_redis

    if settings.blob_place.kind is BlobKind.REDIS:
        within_s = settings.publish_timeout
        with open_redis(settings.results, within_s=within_s, decodes=False) as client:
            yield RedisBlobs(client, tenant, settings, within_s)
        return
    store = _elsewhere(settings, tenant)
    if store is None:
        raise InvalidJob("There is no blob store here (CELLBLOCK_BLOBS=off).")
    yield store


def _elsewhere(settings: Settings, tenant: str) -> BlobStore | None:
    return None
