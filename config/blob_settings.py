"""The settings of the blob store."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import BaseSettings

from config.blob_place import BlobKind, BlobPlace, parse_blob_place
from config.setting_types import Bytes, setting

__all__ = ["BlobSettings"]

_REDIS_BYTES = 256 << 20


def _check_place(text: str) -> str:
    parse_blob_place(text)
    return text


class BlobSettings(BaseSettings):
    """Where blobs lie, and how much they may take. They expire with results."""

    blobs: Annotated[str, AfterValidator(_check_place)] = setting(
        "redis",
        "Where contents by ref and workspaces lie: `redis`, the result backend's; the path of a folder that"
        " all workers share; `s3://bucket/prefix`, with `?endpoint=http://host:port` where it is not"
        " Amazon's, and with the extra `cellblock[s3]`; or `off`.",
    )
    blobs_limit: Bytes | None = setting(
        None,
        "What all blobs may take together; 256m in Redis, and in a folder or S3 any size, if not set.",
    )
    tenant_blobs_limit: Bytes | None = setting(
        None, "What the blobs of one tenant may take together; any size, if not set."
    )

    @property
    def blob_place(self) -> BlobPlace:
        """The parsed value of `blobs`."""
        return parse_blob_place(self.blobs)

    @property
    def blob_bounds(self) -> tuple[int, int]:
        """The bytes that all blobs and those of one tenant may take; 0: any number."""
        default = _REDIS_BYTES if self.blob_place.kind is BlobKind.REDIS else 0
        return self.blobs_limit or default, self.tenant_blobs_limit or 0
