"""The client reaches every kind of Redis that a worker can use."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cellblock import Cellblock
from cellblock.addresses import addresses
from cellblock.redis_clients import open_redis
from sandbox import Result, Status
from tests.brokers import ENCODED, sentinels, server_on_socket, server_with_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def on_socket(folder: Path) -> Iterator[str]:
    with server_on_socket(folder) as path:
        yield f"redis+socket://:{ENCODED}@{path}?db=3"


@contextmanager
def with_tls(folder: Path) -> Iterator[str]:
    with server_with_tls(folder) as (port, paths):
        yield f"rediss://:{ENCODED}@127.0.0.1:{port}/3?ssl_ca_certs={paths['ca']}"


@contextmanager
def by_sentinels(folder: Path) -> Iterator[str]:
    with sentinels(folder) as found:
        yield found.address


@pytest.mark.parametrize("kind", [on_socket, with_tls, by_sentinels])
def test_a_job_is_sent_cancelled_and_read_there(tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    with kind(tmp_path) as address:
        job = Cellblock(address).submit("true")
        job.cancel()
        with open_redis(addresses(address, None)[1], 5) as store:
            assert store.llen("cellblock") == 1
            assert store.exists(f"cellblock.cancel:{job.id}")
            store.set(f"celery-task-meta-{job.id}", json.dumps({"status": "SUCCESS", "result": ended()}))
        assert job.get(timeout=5).status == asyncio.run(job.get_async(timeout=5)).status == "succeeded"
        assert [entry.data for entry in job.follow()] == [b"succeeded"]


def ended() -> dict[str, Any]:
    """A result as a worker stores it."""
    done = Result.without_report(Status.SUCCEEDED, runtime="bash", engine="docker", worker="w", attempt=1)
    return done.to_dict()
