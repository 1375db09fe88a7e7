"""What only blobs in Redis need: an expiry for every key, a bounded share of the memory, and outages."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.exceptions import ResponseError

from config import load_settings
from sandbox import BlobsFull, BlobsUnavailable
from sandbox.blobs import write_blob
from tasks.blobs.in_redis import RedisBlobs, _once
from tasks.blobs.open import open_blobs, worker_blobs
from tests.programs import free_port, running_redis
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def blobs_of(server: redis.Redis, broker_url: str, **more: Any) -> RedisBlobs:
    return RedisBlobs(server, "alice", load_settings(broker_url=broker_url, **more), waits=False)


def ttls_s(server: redis.Redis) -> dict[str, int]:
    return {key.decode(): int(server.ttl(key)) for key in server.scan_iter("cellblock.*")}


def test_every_key_expires_with_results_and_those_of_a_writer_sooner(
    server: redis.Redis, broker_url: str
) -> None:
    store = blobs_of(server, broker_url, result_expires=5000)
    write_blob(store, [b"x"])
    with store.writer() as writer:
        writer.feed(bytes(2 * MIB))
        (unfinished,) = server.keys("cellblock.blob:alice:.*")
        assert 0 < server.ttl(unfinished) <= 600
        assert {ttl_s > 4990 for name, ttl_s in ttls_s(server).items() if ":alice:." not in name} == {True}


def test_the_pieces_of_a_writer_that_is_gone_take_no_room_once_they_expire(
    server: redis.Redis, broker_url: str
) -> None:
    store = blobs_of(server, broker_url, result_expires=0.2, tenant_blobs_limit=3 * MIB)
    store.writer().feed(bytes(5 * MIB // 2))

    def has_room() -> bool:
        try:
            return bool(write_blob(store, [bytes(2 * MIB)]))
        except BlobsFull:
            return False

    assert not has_room()
    wait_until(has_room, 10, "what the writer has left has expired")


def test_the_room_that_is_counted_is_what_there_is(server: redis.Redis, broker_url: str) -> None:
    store = blobs_of(server, broker_url)
    refs = [write_blob(store, [bytes([number]) * 1000]).ref for number in range(3)]
    write_blob(store, [bytes(1000)])
    assert server.hgetall("cellblock.blobs:use") == {b"alice": b"3000", b":": b"3000"}
    for ref in refs:
        store.remove(ref)
    assert server.keys("cellblock.blob*") == []


def test_a_piece_that_is_written_again_counts_once(server: redis.Redis, broker_url: str) -> None:
    store = blobs_of(server, broker_url)
    with store.writer() as writer:
        for _ in range(2):
            writer._write(0, b"x" * 1000)
        assert server.hget("cellblock.blobs:use", "alice") == b"1000"


def test_pieces_that_redis_has_lost_are_never_a_content(server: redis.Redis, broker_url: str) -> None:
    store = blobs_of(server, broker_url)
    with store.writer() as writer:
        writer.feed(bytes(3 * MIB))
        server.flushdb()
        with pytest.raises(BlobsUnavailable, match="has lost pieces"):
            writer.commit()
    assert server.keys("cellblock.blob:*") == []


@pytest.mark.parametrize("size", ["", "x", "-1", "1.5"])
def test_a_size_that_is_no_number_is_no_blob(server: redis.Redis, broker_url: str, size: str) -> None:
    blob = write_blob(store := blobs_of(server, broker_url), [b"x"])
    server.hset(store.key(blob.ref), "size", size)
    assert store.size(blob.ref) is None


def test_a_commit_whose_answer_was_lost_can_be_sent_again(server: redis.Redis, broker_url: str) -> None:
    store = blobs_of(server, broker_url)
    with store.writer() as writer:
        blob = writer.commit()
        _, publish = [store.key(writer._name), store.key(blob.ref)], store.key(blob.ref)
        writer._publish(blob, b"")
        assert server.hget(publish, "size") == b"0"


def test_a_redis_with_no_memory_left_says_so_at_once(tmp_path: Path) -> None:
    with running_redis(tmp_path) as url, redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", "4mb")
        with open_blobs(load_settings(broker_url=f"{url}/0")) as store:
            with pytest.raises(BlobsFull, match=r"no memory left \(maxmemory\)"):
                write_blob(store, [bytes(MIB)] * 8)
            client.config_set("maxmemory", "64mb")
            assert write_blob(store, [bytes(MIB)] * 8).size == 8 * MIB


def test_a_redis_that_is_not_there_is_named_without_its_password() -> None:
    url = f"redis://:hush@127.0.0.1:{free_port()}/0"
    with (
        open_blobs(load_settings(broker_url=url)) as store,
        pytest.raises(BlobsUnavailable, match="cannot be reached") as raised,
    ):
        store.size(f"sha256:{0:064}")
    assert "hush" not in str(raised.value)


def test_a_worker_waits_for_a_redis_that_is_away(
    server: redis.Redis, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.results.worker_backend.result_redis", lambda: server)
    store = worker_blobs(load_settings(broker_url=broker_url), "")
    assert store
    blob, found = write_blob(store, [b"x"]), []
    server.acl_setuser("default", enabled=True, commands=["-hget"])
    reading = threading.Thread(target=lambda: found.append(store.size(blob.ref)))
    reading.start()
    wait_until(lambda: refused(server), 10, "the read was refused")
    assert found == []
    server.acl_setuser("default", enabled=True, commands=["+@all"])
    reading.join(30)
    assert found == [1]


def refused(server: redis.Redis) -> int:
    """How often Redis has refused to read a field."""
    stats: Any = server.info("commandstats")
    return int(stats.get("cmdstat_hget", {}).get("rejected_calls", 0))


def test_a_redis_that_refuses_writes_for_another_reason_is_not_full() -> None:
    def refuse() -> None:
        raise ResponseError("MISCONF Errors writing to the disk")

    with pytest.raises(ResponseError):
        _once(refuse)
