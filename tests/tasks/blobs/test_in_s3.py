"""What only blobs in S3 need: a server that is away or refuses, and uploads that nobody ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from config import load_settings
from sandbox import BlobsFull, BlobsUnavailable
from sandbox.blobs import read_blob, write_blob
from tasks.blobs import in_s3, open_blobs
from tasks.blobs.s3_client import s3_client
from tests.programs import free_port
from tests.s3_server import ACCESS, running_s3, s3_of

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.blobs import BlobStore

PIECES = [bytes(1 << 20)] * 12


@pytest.fixture(autouse=True)
def _access(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)


def blobs_at(address: str, bucket: str = "own-bucket", **more: Any) -> BlobStore:
    settings = load_settings(blobs=f"s3://{bucket}/a/b?endpoint={address}", **more)
    with open_blobs(settings, "alice") as store:
        return store


def test_a_key_is_the_prefix_the_tenant_and_the_digest(tmp_path: Path) -> None:
    with running_s3(tmp_path, "own-bucket") as address:
        digests = [write_blob(blobs_at(address), pieces).ref[7:] for pieces in (PIECES[:1], PIECES)]
        found = s3_of(address).list_objects_v2(Bucket="own-bucket")["Contents"]
    assert {one["Key"] for one in found} == {f"a/b/tenant-alice/{digest}" for digest in digests}


def test_a_server_that_dies_while_a_content_is_written_is_one_clear_error(tmp_path: Path) -> None:
    with running_s3(tmp_path, "own-bucket") as address:
        writer = blobs_at(address).writer()
        writer.feed(PIECES[0] * 6)
    with writer, pytest.raises(BlobsUnavailable, match=r"for the bucket own-bucket at http.* Try: check"):
        writer.feed(PIECES[0] * 6)


def test_a_server_that_dies_while_a_content_is_read_is_one_clear_error(tmp_path: Path) -> None:
    with running_s3(tmp_path, "own-bucket") as address:
        store = blobs_at(address)
        blob = write_blob(store, PIECES * 4)
        reading = read_blob(store, blob)
        next(reading)
    with pytest.raises(BlobsUnavailable, match="for the bucket own-bucket"):
        list(reading)


def test_nothing_of_a_content_that_was_given_up_is_left(s3_url: str) -> None:
    client = s3_of(s3_url)
    client.create_bucket(Bucket="empty-bucket")
    with blobs_at(s3_url, "empty-bucket").writer() as writer:
        writer.feed(PIECES[0] * 12)
        assert client.list_multipart_uploads(Bucket="empty-bucket")["Uploads"]
    assert "Uploads" not in client.list_multipart_uploads(Bucket="empty-bucket")
    assert "Contents" not in client.list_objects_v2(Bucket="empty-bucket")


def test_of_a_content_that_can_not_be_copied_to_its_place_nothing_is_left(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url=s3_url)

    s3_of(s3_url).create_bucket(Bucket="no-copies")
    store: Any = blobs_at(s3_url, "no-copies")
    monkeypatch.setattr(store.client, "copy_object", refuse)
    with pytest.raises(BlobsUnavailable):
        write_blob(store, PIECES)
    assert "Contents" not in s3_of(s3_url).list_objects_v2(Bucket="no-copies")


def test_a_content_that_grows_past_the_bound_is_refused_while_it_is_written(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_s3, "_PART_BYTES", 1 << 10)
    s3_of(s3_url).create_bucket(Bucket="bounded")
    with blobs_at(s3_url, "bounded", blobs_limit=10 << 10).writer() as writer, pytest.raises(BlobsFull):
        writer.feed(PIECES[0])


def test_a_bucket_that_is_not_there_is_named(s3_url: str) -> None:
    with pytest.raises(BlobsUnavailable, match="S3 answers NoSuchBucket for the bucket no-bucket at http"):
        write_blob(blobs_at(s3_url, "no-bucket"), [b"x"])


def test_a_server_that_is_not_there_is_named() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(BlobsUnavailable, match=f"no answer .EndpointConnectionError. .*{address}"):
        blobs_at(address).size(f"sha256:{0:064}")


def test_no_credentials_are_an_error_that_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, s3_url: str, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(BlobsUnavailable, match=r"NoCredentialsError.*AWS_ACCESS_KEY_ID"):
        blobs_at(s3_url, "never-asked-bucket").size(f"sha256:{0:064}")


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    s3_client.cache_clear()
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BlobsUnavailable, match=r"Try: pip install 'cellblock\[s3\]'"):
        blobs_at("http://127.0.0.1:1").size(f"sha256:{0:064}")
