"""The blobs of one tenant, where the workers' blobs lie in the Redis with the results."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from cellblock.errors import BlobsUnavailable, BrokerUnreachable
from cellblock.outage import Outage
from cellblock.redis_clients import open_redis
from cellblock.shared import scripts
from cellblock.shared.blob_bounds import full
from cellblock.shared.blob_layout import LISTS, PIECE_BYTES, UNFINISHED_MS, entry_of, kept_ms, key_of
from cellblock.shared.blob_writer import HashingWriter
from cellblock.shared.blobs import Blob, missing_blob, read_blob, write_blob
from cellblock.shared.payload import decode_ref
from cellblock.shared.units import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cellblock.shared.address import Address

__all__ = ["Blobs"]

_ERRORS = (RedisError, OSError)
# More than any Redis holds.
_ANY_SIZE = 1 << 50


class Blobs:
    """Contents that jobs name by their refs.

    Bounds and expiry come from the variables that workers have for them: give both the same values.
    """

    def __init__(self, backend: Address, within_s: float, tenant: str) -> None:
        self._backend = backend
        self._within_s = within_s
        self._redis = open_redis(backend, within_s)
        #: Whose they are; empty for nobody's.
        self.tenant = tenant
        self.bounds = (
            parse_bytes(_value("CELLBLOCK_BLOBS_LIMIT", "256m")),
            parse_bytes(_value("CELLBLOCK_TENANT_BLOBS_LIMIT", str(_ANY_SIZE))),
        )
        self.kept_ms = kept_ms(float(_value("CELLBLOCK_RESULT_EXPIRES", "86400")))

    def put(self, content: bytes | Iterable[bytes]) -> Blob:
        """Store a content, whole or in pieces such as those of an open file. Its `ref` is for requests.

        Raises:
            BlobsFull: it is more than the operator allows.
            BrokerUnreachable: Redis does not answer.
        """
        return write_blob(self, [content] if isinstance(content, bytes) else content)

    def get(self, ref: str) -> Iterator[bytes]:
        """The pieces of a content. Use what they make up only after the last: the digest is checked then.

        Raises:
            InvalidJob: there is no such content, or it is damaged.
            BrokerUnreachable: Redis does not answer.
        """
        size = self.size(decode_ref("ref", ref))
        if size is None:
            raise missing_blob("ref", ref)
        return read_blob(self, Blob(ref, size))

    def size(self, ref: str) -> int | None:
        """The bytes of a content; None if there is none, or it has expired."""
        found: Any = self._ask(lambda: self._redis.hget(key_of(self.tenant, ref), "size"))
        return int(found) if found is not None and found.isdigit() else None

    def remove(self, ref: str) -> bool:
        """Remove a content. False if there is none."""
        return bool(self.run(scripts.BLOB_REMOVE, [ref], entry_of(self.tenant, ref)))

    def read(self, blob: Blob) -> Iterator[bytes]:
        """The pieces as they are stored, which `get` verifies."""
        number, left = 0, blob.size
        while left > 0 and (piece := self._piece(blob.ref, number)):
            yield piece
            number, left = number + 1, left - len(piece)

    def writer(self) -> BlobWriter:
        """A writer for a content that comes piece by piece; see `put`."""
        return BlobWriter(self)

    def run(self, script: str, names: list[str], *args: str | bytes | int) -> Any:  # noqa: ANN401
        """The answer of a script for these blobs."""
        keys = [*LISTS, *(key_of(self.tenant, name) for name in names)]
        return self._ask(lambda: self._redis.eval(script, len(keys), *keys, *args))

    def _piece(self, ref: str, number: int) -> bytes | None:
        found: Any = self._ask(lambda: self._redis.hget(key_of(self.tenant, ref), str(number)))
        return found  # type: ignore[no-any-return]

    def _ask(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        outage = Outage(self._backend, self._within_s, "CELLBLOCK_RESULT_BACKEND")
        while True:
            try:
                return call()
            except _ERRORS as error:
                time.sleep(outage.pause_s(error))


class BlobWriter(HashingWriter):
    """Writes one content. Nobody can read any of it before its `commit`."""

    def __init__(self, store: Blobs) -> None:
        super().__init__(PIECE_BYTES)
        self._store = store
        self._name = f".{secrets.token_hex(8)}"

    def _write(self, number: int, piece: bytes) -> None:
        store, entry = self._store, entry_of(self._store.tenant, self._name)
        lasts_ms = min(store.kept_ms, UNFINISHED_MS)
        where = (store.tenant, entry, str(number), piece, lasts_ms)
        said = store.run(scripts.BLOB_WRITE, [self._name], *where, *store.bounds)
        if said != b"ok":
            raise full(store.bounds, of_tenant=said == b"tenant")

    def _publish(self, blob: Blob, last: bytes) -> None:
        self._write(self.count, last)
        store = self._store
        entries = (entry_of(store.tenant, self._name), entry_of(store.tenant, blob.ref))
        facts = (self.count + 1, blob.size, store.kept_ms)
        if store.run(scripts.BLOB_PUBLISH, [self._name, blob.ref], *entries, *facts) != b"ok":
            raise BlobsUnavailable("The blob store: Redis has lost pieces of a blob while it was written.")

    def _discard(self) -> None:
        # Pieces that stay expire.
        with suppress(BrokerUnreachable):
            self._store.remove(self._name)


def _value(variable: str, default: str) -> str:
    return os.environ.get(variable) or default
