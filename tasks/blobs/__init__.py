"""The blob store: in Redis, in a shared folder, or in S3."""

from tasks.blobs.open import open_blobs

__all__ = ["open_blobs"]
