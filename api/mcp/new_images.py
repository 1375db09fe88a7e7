"""Brings the images that a job has made to the session."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.mcp.blobs import read_whole
from api.mcp.images import MOST_IMAGE_BYTES, image_content
from config.quoting import named
from sandbox import CellblockError
from sandbox.blobs import Blob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.types import ContentBlock

    from api.mcp.workspace import Workspace

__all__ = ["MOST_IMAGES", "MOST_IMAGES_BYTES", "NewImages", "new_images"]

_log = logging.getLogger("cellblock.mcp")

#: The most images in an answer, and their bytes together.
MOST_IMAGES, MOST_IMAGES_BYTES = 8, 8_000_000


@dataclass(slots=True)
class NewImages:
    """The images of one answer, by their paths, and what is said of the others."""

    shown: dict[str, ContentBlock] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


async def new_images(result: Mapping[str, Any], workspace: Workspace) -> NewImages:
    """The images in a job's result that its session has not seen, within bounds."""
    found, total_bytes, unread = NewImages(), 0, 0
    for path, blob in _blobs(result).items():
        if not workspace.is_new(blob.ref):
            continue
        if len(found.shown) == MOST_IMAGES or total_bytes + blob.size > MOST_IMAGES_BYTES:
            unread += 1
        elif note := await _show(path, blob, found, workspace.jobs.tenant):
            found.notes.append(note)
        else:
            total_bytes += blob.size
    if unread:
        found.notes.append(f"{unread} more new images are not shown. Look at one with `read_file`.")
    found.notes += filter(workspace.is_new, _skipped(result))
    return found


def _blobs(result: Mapping[str, Any]) -> dict[str, Blob]:
    """What the worker has stored. Anyone who reaches Redis can write a result."""
    artifacts = result.get("artifacts")
    if not isinstance(artifacts, dict):
        return {}
    return {
        path: Blob(about["ref"], about["size"])
        for path, about in artifacts.items()
        if isinstance(about, dict)
        and isinstance(about.get("ref"), str)
        and isinstance(about.get("size"), int)
    }


async def _show(path: str, blob: Blob, found: NewImages, tenant: str) -> str | None:
    """Add an image, or return why it is not shown."""
    if blob.size > MOST_IMAGE_BYTES:
        return f"{named(path)} is not shown: it has {blob.size} bytes, more than {MOST_IMAGE_BYTES}."
    try:
        data = await read_whole(blob, tenant)
    except CellblockError as error:
        _log.warning("An image can't be read: %s", error)
        return f"{named(path)} is not shown: the store does not give it."
    content = image_content(data)
    if content is None:
        return f"{named(path)} is not shown: it is no image, or an SVG of more than 64 KiB."
    found.shown[path] = content
    return None


def _skipped(result: Mapping[str, Any]) -> list[str]:
    skipped = result.get("artifacts_skipped")
    if not isinstance(skipped, list):
        return []
    return [
        f"{named(str(one['path']))} is not shown: {one['reason']}."
        for one in skipped[:MOST_IMAGES]
        if isinstance(one, dict) and {"path", "reason"} <= one.keys()
    ]
