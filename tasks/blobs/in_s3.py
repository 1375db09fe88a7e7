"""Blobs in a bucket of S3, or of a server that speaks its protocol: each is an object."""

from __future__ import annotations

import secrets
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sandbox.errors import BlobsUnavailable
from tasks.blobs.bounds import check_bounds
from tasks.blobs.names import folder_of
from tasks.blobs.s3_client import s3_client
from tasks.blobs.writer import HashingWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config import Settings
    from config.blob_place import BlobPlace
    from sandbox.blobs import Blob

__all__ = ["S3Blobs"]

# The least that S3 takes as a part of an object, other than its last.
_PART_BYTES = 5 << 20
_READ_BYTES = 1 << 20
_MISSING = ("404", "NoSuchKey", "NotFound")


class S3Blobs:
    """The blobs of one tenant in one bucket. What has expired is not there; the bucket's rules remove it."""

    def __init__(self, place: BlobPlace, tenant: str, settings: Settings) -> None:
        self.place = place
        self.client = s3_client(place)
        self._tenant = tenant
        self._kept_s = settings.result_expires
        self._bounds = settings.blob_bounds

    def size(self, ref: str) -> int | None:
        """The bytes of a blob; None if there is none, or it has expired."""
        with self.asking():
            found = self._found(self.client.head_object, ref)
        if found is None or not self._is_fresh(found):
            return None
        return int(found["ContentLength"])

    def read(self, blob: Blob) -> Iterator[bytes]:
        """Its pieces, as they are stored."""
        with self.asking():
            if found := self._found(self.client.get_object, blob.ref):
                with closing(found["Body"]) as body:
                    yield from body.iter_chunks(_READ_BYTES)

    def writer(self) -> S3Writer:
        """A writer for a new blob."""
        return S3Writer(self)

    def remove(self, ref: str) -> bool:
        """Remove a blob. False if there is none."""
        with self.asking():
            there = self._found(self.client.head_object, ref) is not None
            self.client.delete_object(Bucket=self.place.bucket, Key=self.key(ref))
        return there

    def key(self, ref: str) -> str:
        """The key of a blob."""
        return f"{self.place.prefix}{folder_of(self._tenant)}/{ref.removeprefix('sha256:')}"

    def check_bounds(self, more_bytes: int) -> None:
        """Raise BlobsFull if so many bytes more would pass a bound."""
        if any(self._bounds):
            with self.asking():
                own = self._used_bytes(f"{folder_of(self._tenant)}/")
                used = self._used_bytes("") if self._bounds[0] else own
            check_bounds(self._bounds, used + more_bytes, own + more_bytes)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Requests to the server. Their errors say which bucket, and what to try."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise self._unavailable(f"S3 answers {str(code)[:60] or 'an error'}") from error
        except BotoCoreError as error:
            raise self._unavailable(f"S3 gives no answer ({type(error).__name__})") from error

    def _unavailable(self, what: str) -> BlobsUnavailable:
        where = f"{self.place.bucket} at {self.place.endpoint or 'Amazon'}"
        return BlobsUnavailable(
            f"The blob store: {what} for the bucket {where}. Try: check CELLBLOCK_BLOBS, AWS_ACCESS_KEY_ID"
            " and AWS_SECRET_ACCESS_KEY, and the rights of that key."
        )

    def _found(self, ask: Callable[..., Any], ref: str) -> Any:  # noqa: ANN401
        """The answer about a blob; None if there is none."""
        from botocore.exceptions import ClientError

        try:
            return ask(Bucket=self.place.bucket, Key=self.key(ref))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return None
            raise

    def _is_fresh(self, found: dict[str, Any]) -> bool:
        return bool(found["LastModified"].timestamp() + self._kept_s > time.time())

    def _used_bytes(self, folder: str) -> int:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.place.bucket, Prefix=f"{self.place.prefix}{folder}"
        )
        found = (one for page in pages for one in page.get("Contents", ()))
        return sum(one["Size"] for one in found if self._is_fresh(one))


class S3Writer(HashingWriter):
    """Writes one blob. A large one goes up in parts under a name of its own, and is copied at the end."""

    def __init__(self, store: S3Blobs) -> None:
        super().__init__(_PART_BYTES)
        self._store = store
        self._new = {
            "Bucket": store.place.bucket,
            "Key": f"{store.place.prefix}new/{secrets.token_hex(8)}",
        }
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []

    def _write(self, number: int, piece: bytes) -> None:
        if number % 16 == 0:
            self._store.check_bounds((number + 1) * _PART_BYTES)
        client = self._store.client
        with self._store.asking():
            if self._upload is None:
                self._upload = client.create_multipart_upload(**self._new)["UploadId"]
            part = client.upload_part(**self._new, UploadId=self._upload, PartNumber=number + 1, Body=piece)
        self._parts.append({"ETag": part["ETag"], "PartNumber": number + 1})

    def _publish(self, blob: Blob, last: bytes) -> None:
        self._store.check_bounds(blob.size)
        client, target = self._store.client, {"Bucket": self._new["Bucket"], "Key": self._store.key(blob.ref)}
        if self._upload is None:
            with self._store.asking():
                client.put_object(**target, Body=last)
            return
        self._write(self.count, last)
        with self._store.asking():
            client.complete_multipart_upload(
                **self._new, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )
            client.copy_object(**target, CopySource=self._new)
            client.delete_object(**self._new)

    def _discard(self) -> None:
        if self._upload is None:
            return
        client = self._store.client
        self._quietly(client.abort_multipart_upload, **self._new, UploadId=self._upload)
        self._quietly(client.delete_object, **self._new)

    def _quietly(self, remove: Callable[..., object], **what: str) -> None:
        """Try to remove something. If that fails, the bucket's rules do it."""
        with suppress(BlobsUnavailable), self._store.asking():
            remove(**what)
