"""Makes a client for a bucket. Amazon's own variables give it the credentials."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sandbox.errors import BlobsUnavailable

if TYPE_CHECKING:
    from config.blob_place import BlobPlace

__all__ = ["s3_client"]

_CONNECT_S, _READ_S = 5.0, 15.0


@lru_cache(maxsize=4)
def s3_client(place: BlobPlace) -> Any:  # noqa: ANN401  boto3 has no types
    """A client for the process. To make one takes a tenth of a second."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise BlobsUnavailable(
            "The blob store: S3 needs the extra `cellblock[s3]`. Try: pip install 'cellblock[s3]'."
        ) from error
    options = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "max_attempts": 3},
        # Not all servers know the newer checksums. Every content has its digest anyway.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if place.endpoint else "auto"},
    )
    return boto3.session.Session().client(
        "s3", endpoint_url=place.endpoint, region_name=place.region, config=options
    )
