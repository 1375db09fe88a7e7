"""Tells images by their first bytes, and makes content of them that a model can see."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from mcp.types import ImageContent, TextContent

if TYPE_CHECKING:
    from mcp.types import ContentBlock

__all__ = ["IMAGES", "MOST_IMAGE_BYTES", "image_content", "is_image_name"]

#: The largest image in an answer. Models take no larger one, in base64.
MOST_IMAGE_BYTES = 3_500_000

_ENDINGS = ("png", "jpg", "jpeg", "gif", "webp", "svg")
_MOST_SVG_BYTES = 64 << 10


def _any_case(ending: str) -> str:
    return "**/*." + "".join(f"[{letter}{letter.upper()}]" for letter in ending)


#: Patterns for the images that a job leaves.
IMAGES = [_any_case(ending) for ending in _ENDINGS]


def is_image_name(path: str) -> bool:
    """Whether a file is an image by its name."""
    return path.rpartition(".")[2].lower() in _ENDINGS


def image_content(data: bytes) -> ContentBlock | None:
    """The content for an image; text for an SVG. None if it is no image: a client could choke on it."""
    if kind := _kind(data):
        return ImageContent(data=base64.b64encode(data).decode(), mime_type=f"image/{kind}")
    text = _svg(data)
    return None if text is None else TextContent(text=text)


def _kind(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _svg(data: bytes) -> str | None:
    if len(data) > _MOST_SVG_BYTES or b"<svg" not in data[:1024]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
