"""What every blob store does, in Redis, in a folder and in S3."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

import pytest

from sandbox import BlobsFull, InvalidJob
from sandbox.blobs import Blob, read_blob, write_blob
from tests.waiting import wait_until

if TYPE_CHECKING:
    from sandbox.blobs import BlobStore
    from tests.tasks.blobs.conftest import Open

MIB = 1 << 20
REDIS_PIECE, S3_PIECE = MIB - 64, 5 * MIB


def content(size: int) -> bytes:
    """Bytes that differ from piece to piece."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))[:size]


@pytest.mark.parametrize(
    "size",
    [0, 1, REDIS_PIECE - 1, REDIS_PIECE, REDIS_PIECE + 1, MIB, 3 * MIB, S3_PIECE, S3_PIECE + 1, 12 * MIB],
)
def test_a_content_comes_back_under_its_digest(store: BlobStore, size: int) -> None:
    data = content(size)
    blob = write_blob(store, [data[start : start + 300_000] for start in range(0, size, 300_000)])
    assert blob == Blob(f"sha256:{hashlib.sha256(data).hexdigest()}", size)
    assert (store.size(blob.ref), b"".join(read_blob(store, blob)) == data) == (size, True)


def test_no_piece_is_larger_than_a_mebibyte(store: BlobStore) -> None:
    blob = write_blob(store, [content(7 * MIB)])
    assert max(map(len, read_blob(store, blob))) <= MIB


def test_what_is_removed_is_gone_and_what_is_not_there_is_not_removed(store: BlobStore) -> None:
    blob = write_blob(store, [b"x"])
    assert (store.remove(blob.ref), store.remove(blob.ref), store.size(blob.ref)) == (True, False, None)


@pytest.mark.parametrize("other", ["", "bob", "..", ".", "alic"])
def test_a_tenant_has_blobs_of_its_own(open_store: Open, other: str) -> None:
    ref = write_blob(open_store("alice"), [b"secret"]).ref
    theirs = open_store(other)
    assert (theirs.size(ref), theirs.remove(ref), list(theirs.read(Blob(ref, 6)))) == (None, False, [])
    assert open_store("alice").size(ref) == 6


def test_a_writer_that_gives_up_leaves_nothing_behind(open_store: Open) -> None:
    store = open_store(blobs_limit="24m")
    for _ in range(3):
        with store.writer() as writer:
            writer.feed(content(13 * MIB))
    assert write_blob(store, [content(13 * MIB)]).size == 13 * MIB


def test_nobody_can_read_a_content_that_is_not_whole_yet(store: BlobStore) -> None:
    data = content(12 * MIB)
    ref = f"sha256:{hashlib.sha256(data).hexdigest()}"
    with store.writer() as writer:
        writer.feed(data)
        assert store.size(ref) is None
        assert writer.commit().ref == ref
    assert store.size(ref) == 12 * MIB


@pytest.mark.parametrize("size", [16, 12 * MIB])
@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ({"blobs_limit": 12 * MIB + 15}, "all blobs would take more than the 12 MiB"),
        ({"tenant_blobs_limit": 12 * MIB + 15}, "this tenant's blobs would take more than the 12 MiB"),
    ],
)
def test_more_than_the_operator_allows_is_refused(
    open_store: Open, size: int, bound: dict[str, int], said: str
) -> None:
    store = open_store("alice", **bound)
    write_blob(store, [content(12 * MIB)])
    with pytest.raises(BlobsFull, match=f"{said}.*CELLBLOCK_{next(iter(bound)).upper()}"):
        write_blob(store, [content(size)[::-1]])
    assert store.size(f"sha256:{hashlib.sha256(content(size)[::-1]).hexdigest()}") is None


def test_one_tenants_bound_is_no_other_tenants(open_store: Open) -> None:
    full, free = (open_store(tenant, tenant_blobs_limit=10) for tenant in ("alice", "bob"))
    write_blob(full, [b"x" * 10])
    assert write_blob(free, [b"x" * 10]).size == 10


def test_the_bound_on_all_blobs_counts_those_of_other_tenants(open_store: Open) -> None:
    write_blob(open_store("alice", blobs_limit=15), [b"x" * 10])
    with pytest.raises(BlobsFull, match="all blobs"):
        write_blob(open_store("bob", blobs_limit=15), [b"y" * 10])


def test_what_was_removed_makes_room(open_store: Open) -> None:
    store = open_store("alice", tenant_blobs_limit=10)
    store.remove(write_blob(store, [b"x" * 10]).ref)
    assert write_blob(store, [b"y" * 10]).size == 10


def test_the_same_content_takes_its_room_once(open_store: Open) -> None:
    store = open_store("alice", tenant_blobs_limit=20)
    for _ in range(5):
        write_blob(store, [b"x" * 10])
    assert write_blob(store, [b"y" * 10]).size == 10


def test_what_has_expired_is_not_there_and_takes_no_room(open_store: Open) -> None:
    brief = open_store("alice", result_expires=0.05, tenant_blobs_limit=10)
    ref = write_blob(brief, [b"x" * 10]).ref
    wait_until(lambda: brief.size(ref) is None, 10, "the blob has expired")
    assert write_blob(brief, [b"y" * 10]).size == 10


def test_writers_of_one_content_at_once_all_have_it_stored(open_store: Open) -> None:
    data, found = content(6 * MIB), []
    stores = [open_store() for _ in range(4)]
    threads = [
        threading.Thread(target=lambda one=store: found.append(write_blob(one, [data]))) for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert b"".join(read_blob(stores[0], found[0])) == data


def test_a_content_of_another_digest_is_refused_once_it_is_read(store: BlobStore) -> None:
    blob = write_blob(store, [b"abc"])
    for wrong in (Blob(blob.ref, 2), Blob(blob.ref, 4)):
        with pytest.raises(InvalidJob, match="incomplete or damaged"):
            list(read_blob(store, wrong))
