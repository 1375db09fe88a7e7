"""Whether the blob store can be used. The check writes nothing there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli.checks.finding import ok, problem, warning
from cli.checks.requirements import about_redis, broker
from config import format_bytes, load_settings
from config.blob_place import BlobKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding
    from config import Settings

__all__ = ["blobs"]

# Redis also holds queues and results.
_MOST_SHARE = 0.5
_NOBODYS = f"sha256:{0:064}"


def blobs() -> Iterator[Finding]:
    """The blob store answers, and has the room that its bound promises."""
    settings = load_settings()
    place = settings.blob_place
    if place.kind is BlobKind.OFF:
        yield ok("there is no blob store: no contents by ref, no workspaces (CELLBLOCK_BLOBS=off)")
        return
    from tasks.blobs import open_blobs

    with open_blobs(settings) as store:
        store.size(_NOBODYS)
    if place.kind is BlobKind.FOLDER and not os.access(place.folder, os.W_OK | os.X_OK):
        yield problem(f"nobody may write to {place.folder} as this user", f"chown $USER {place.folder}")
    else:
        yield ok(f"blobs lie in {place.name}, {_bound(settings)}")
    if place.kind is BlobKind.REDIS:
        yield from _share(settings)


def _bound(settings: Settings) -> str:
    most, of_tenant = settings.blob_bounds
    each = f", of one tenant at most {format_bytes(of_tenant)}" if of_tenant else ""
    return f"{f'at most {format_bytes(most)}' if most else 'of any size'}{each}"


def _share(settings: Settings) -> Iterator[Finding]:
    with broker(settings.results, "CELLBLOCK_RESULT_BACKEND") as client:
        memory = about_redis(client).get("maxmemory") if client else 0
    most = settings.blob_bounds[0]
    if memory and most > _MOST_SHARE * memory:
        yield warning(
            f"blobs may take {format_bytes(most)} of the {format_bytes(memory)} that Redis has for all",
            "lower CELLBLOCK_BLOBS_LIMIT, raise maxmemory, or have blobs in a folder or S3 (CELLBLOCK_BLOBS)",
        )
