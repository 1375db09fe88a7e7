"""Where blobs lie, as CELLBLOCK_BLOBS says it, and how much they may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import InvalidSetting, load_settings
from config.blob_place import BlobKind, BlobPlace, parse_blob_place


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("redis", BlobPlace(BlobKind.REDIS), "Redis"),
        ("off", BlobPlace(BlobKind.OFF), "Redis"),
        ("/srv/blobs", BlobPlace(BlobKind.FOLDER, folder=Path("/srv/blobs")), "/srv/blobs"),
        ("s3://my.bucket", BlobPlace(BlobKind.S3, bucket="my.bucket"), "s3://my.bucket/ at Amazon"),
        (
            "s3://bucket/a/b/?endpoint=http://host:9000&region=eu-1",
            BlobPlace(
                BlobKind.S3, bucket="bucket", prefix="a/b/", endpoint="http://host:9000", region="eu-1"
            ),
            "s3://bucket/a/b/ at http://host:9000",
        ),
    ],
)
def test_a_place_is_read_from_its_text(text: str, place: BlobPlace, name: str) -> None:
    assert parse_blob_place(text) == place
    assert place.kind is BlobKind.OFF or place.name == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "Redis", "blobs", "./blobs", "file:///blobs", "http://host/bucket"),
        *("s3://", "s3://UP", "s3://a", "s3://bucket/x#y", "s3://bucket?acl=public", "s3://user@bucket"),
    ],
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give redis, off, the path of a folder, or s3://"):
        parse_blob_place(text)


def test_the_worker_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_BLOBS", "nowhere")
    with pytest.raises(InvalidSetting, match="CELLBLOCK_BLOBS='nowhere': give redis, off, the path"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({}, (256 << 20, 0)),
        ({"blobs": "/srv"}, (0, 0)),
        ({"blobs_limit": "1g", "tenant_blobs_limit": "1m"}, (1 << 30, 1 << 20)),
        ({"blobs": "s3://bucket", "blobs_limit": "1g"}, (1 << 30, 0)),
    ],
)
def test_only_redis_has_a_bound_that_nobody_asked_for(given: dict[str, str], bounds: tuple[int, int]) -> None:
    assert load_settings(**given).blob_bounds == bounds
