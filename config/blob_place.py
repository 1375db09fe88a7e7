"""Where blobs lie: the parsed value of CELLBLOCK_BLOBS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

__all__ = ["BlobKind", "BlobPlace", "parse_blob_place"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OPTIONS = {"endpoint", "region"}
_FORMS = "give redis, off, the path of a folder, or s3://bucket/prefix"


class BlobKind(StrEnum):
    """What kind of store it is."""

    OFF = "off"
    REDIS = "redis"
    FOLDER = "folder"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """One place: the folder, or the bucket with a prefix for its keys and where S3 is, if not at Amazon."""

    kind: BlobKind
    folder: Path = Path()
    bucket: str = ""
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    @property
    def name(self) -> str:
        """The place, for people."""
        match self.kind:
            case BlobKind.FOLDER:
                return str(self.folder)
            case BlobKind.S3:
                return f"s3://{self.bucket}/{self.prefix} at {self.endpoint or 'Amazon'}"
            case _:
                return "Redis"


def parse_blob_place(text: str) -> BlobPlace:
    """The place in a text such as `redis`, `/srv/blobs` or `s3://bucket/prefix?endpoint=http://host:9000`.

    Raises:
        ValueError: it is none of these.
    """
    if text in (BlobKind.OFF, BlobKind.REDIS):
        return BlobPlace(BlobKind(text))
    if text.startswith("/"):
        return BlobPlace(BlobKind.FOLDER, folder=Path(text))
    parts = urlsplit(text)
    if parts.scheme != "s3":
        raise ValueError(_FORMS)
    options = dict(parse_qsl(parts.query))
    if not _BUCKET.fullmatch(parts.netloc) or parts.fragment or not options.keys() <= _OPTIONS:
        raise ValueError(f"{_FORMS}; behind ? may stand endpoint=http://host:port and region=name")
    prefix = parts.path.strip("/")
    return BlobPlace(
        BlobKind.S3,
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=options.get("endpoint"),
        region=options.get("region"),
    )
