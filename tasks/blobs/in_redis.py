"""Blobs in Redis: each is a hash of its pieces, and expires by itself."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from redis.exceptions import RedisError

from sandbox.errors import BlobsFull, BlobsUnavailable
from tasks.blobs.bounds import full
from tasks.blobs.layout import LISTS, PIECE_BYTES, UNFINISHED_MS, entry_of, kept_ms, key_of
from tasks.blobs.writer import HashingWriter
from tasks.patience import patiently, refuses_writes
from tasks.redis_errors import explain_redis
from tasks.redis_script import RedisScript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config import Settings
    from sandbox.blobs import Blob

__all__ = ["RedisBlobs"]

T = TypeVar("T")

# An error may repeat the command, with the piece in it.
_HEAD = 300

_WRITE, _PUBLISH, _REMOVE = (
    RedisScript("blob_functions", f"blob_{name}") for name in ("write", "publish", "remove")
)


class RedisBlobs:
    """The blobs of one tenant in one Redis. `client` gives bytes.

    If `waits`, each step waits for a Redis that is away as long as a result is kept, as workers do.
    """

    def __init__(self, client: Any, tenant: str, settings: Settings, *, waits: bool) -> None:  # noqa: ANN401  redis-py's types fit no client
        self._client = client
        #: Whose blobs these are; empty for nobody's.
        self.tenant = tenant
        self._settings = settings
        self._waits = waits

    def size(self, ref: str) -> int | None:
        """The bytes of a blob; None if there is none, or it has expired."""
        found = self._ask(lambda: self._client.hget(self.key(ref), "size"))
        return int(found) if found is not None and found.isdigit() else None

    def read(self, blob: Blob) -> Iterator[bytes]:
        """Its pieces, as they are stored."""
        number, left = 0, blob.size
        while left > 0 and (piece := self._piece(blob.ref, number)):
            yield piece
            number, left = number + 1, left - len(piece)

    def writer(self) -> RedisWriter:
        """A writer for a new blob."""
        return RedisWriter(self)

    def remove(self, ref: str) -> bool:
        """Remove a blob. False if there is none."""
        return bool(self.run(_REMOVE, [self.key(ref)], self.entry(ref)))

    def run(self, script: RedisScript, keys: list[str], *args: str | bytes | float) -> Any:  # noqa: ANN401
        """The answer of a script for these keys."""
        return self._ask(lambda: script(self._client, [*LISTS, *keys], *args))

    def entry(self, name: str) -> str:
        """A blob's or a writer's entry in the lists."""
        return entry_of(self.tenant, name)

    def key(self, name: str) -> str:
        """Where the pieces of a blob or a writer are."""
        return key_of(self.tenant, name)

    @property
    def bounds(self) -> tuple[int, int]:
        """The bytes that all blobs and the tenant's own may take."""
        return self._settings.blob_bounds

    @property
    def kept_ms(self) -> int:
        """For how many milliseconds a blob is kept."""
        return kept_ms(self._settings.result_expires)

    def _piece(self, ref: str, number: int) -> bytes | None:
        found: bytes | None = self._ask(lambda: self._client.hget(self.key(ref), str(number)))
        return found

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return patiently(lambda: _once(call)) if self._waits else _once(call)
        except RedisError as error:
            sentence = explain_redis(error, self._settings.results, "CELLBLOCK_RESULT_BACKEND")
            raise BlobsUnavailable(f"The blob store: {sentence}") from error


class RedisWriter(HashingWriter):
    """Writes the pieces of one blob under a name of its own, and renames them at the end."""

    def __init__(self, store: RedisBlobs) -> None:
        super().__init__(PIECE_BYTES)
        self._store = store
        self._name = f".{secrets.token_hex(8)}"

    def _write(self, number: int, piece: bytes) -> None:
        store = self._store
        kept_ms = min(store.kept_ms, UNFINISHED_MS)
        where = (store.tenant, store.entry(self._name), str(number), piece, kept_ms)
        said = store.run(_WRITE, [store.key(self._name)], *where, *store.bounds)
        if (bound := _text(said)) != "ok":
            raise full(store.bounds, of_tenant=bound == "tenant")

    def _publish(self, blob: Blob, last: bytes) -> None:
        self._write(self.count, last)
        store = self._store
        keys = [store.key(self._name), store.key(blob.ref)]
        entries = (store.entry(self._name), store.entry(blob.ref))
        said = store.run(_PUBLISH, keys, *entries, self.count + 1, blob.size, store.kept_ms)
        if _text(said) != "ok":
            raise BlobsUnavailable("The blob store: Redis has lost pieces of a blob while it was written.")

    def _discard(self) -> None:
        # Pieces that stay expire.
        with suppress(BlobsUnavailable, BlobsFull):
            self._store.remove(self._name)


def _once(call: Callable[[], T]) -> T:
    """Call it. Redis that has no memory left for a blob need not be waited for."""
    try:
        return call()
    except RedisError as error:
        if refuses_writes(error) and "OOM" in f"{getattr(error, 'status_code', '')} {error}"[:_HEAD]:
            raise BlobsFull(
                "The blob store: Redis has no memory left (maxmemory). Try: raise it, or lower"
                " CELLBLOCK_BLOBS_LIMIT or CELLBLOCK_RESULT_EXPIRES."
            ) from error
        raise


def _text(said: Any) -> str:  # noqa: ANN401
    return said.decode() if isinstance(said, bytes) else str(said)
