"""Opens the store that the settings name, for one tenant."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.blob_place import BlobKind
from sandbox.errors import InvalidJob
from tasks.blobs.in_folder import FolderBlobs
from tasks.blobs.in_redis import RedisBlobs
from tasks.blobs.in_s3 import S3Blobs
from tasks.blobs.resting import RestingBlobs

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
        return RestingBlobs(RedisBlobs(result_redis(), tenant, settings, waits=True))
    store = _elsewhere(settings, tenant)
    return RestingBlobs(store) if store else None


@contextmanager
def open_blobs(settings: Settings, tenant: str = "") -> Iterator[BlobStore]:
    """The store for an app or a command, which says within some seconds that it is away.

    Raises:
        InvalidJob: the settings name no store.
    """
    from tasks.redis_client import open_redis

    if settings.blob_place.kind is BlobKind.REDIS:
        with open_redis(settings.results, within_s=settings.publish_timeout, decodes=False) as client:
            yield RedisBlobs(client, tenant, settings, waits=False)
        return
    store = _elsewhere(settings, tenant)
    if store is None:
        raise InvalidJob("There is no blob store here (CELLBLOCK_BLOBS=off).")
    yield store


def _elsewhere(settings: Settings, tenant: str) -> BlobStore | None:
    place = settings.blob_place
    if place.kind is BlobKind.FOLDER:
        return FolderBlobs(place.folder, tenant, settings)
    return S3Blobs(place, tenant, settings) if place.kind is BlobKind.S3 else None
