"""What `doctor` says of the blob store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from cli.checks.blobs import blobs
from cli.checks.finding import Level
from sandbox import BlobsUnavailable
from tests.programs import running_redis

if TYPE_CHECKING:
    from pathlib import Path


def test_a_store_that_answers_is_named_with_its_bounds(
    monkeypatch: pytest.MonkeyPatch, broker_url: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", broker_url)
    monkeypatch.setenv("CELLBLOCK_TENANT_BLOBS_LIMIT", "1m")
    assert [one.message for one in blobs()] == [
        "blobs lie in Redis, at most 256 MiB, of one tenant at most 1 MiB"
    ]
    monkeypatch.delenv("CELLBLOCK_TENANT_BLOBS_LIMIT")
    monkeypatch.setenv("CELLBLOCK_BLOBS", str(tmp_path))
    assert [one.message for one in blobs()] == [f"blobs lie in {tmp_path}, of any size"]


def test_with_no_store_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_BLOBS", "off")
    assert [one.level for one in blobs()] == [Level.OK]


def test_a_folder_that_is_not_there_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELLBLOCK_BLOBS", str(tmp_path / "gone"))
    with pytest.raises(BlobsUnavailable, match="No such file or directory"):
        list(blobs())


def test_a_redis_that_is_too_small_for_its_blobs_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running_redis(tmp_path) as url, redis.Redis.from_url(url) as server:
        monkeypatch.setenv("CELLBLOCK_BROKER_URL", f"{url}/0")
        server.config_set("maxmemory", "512mb")
        assert [one.level for one in blobs()] == [Level.OK]
        server.config_set("maxmemory", "400mb")
        assert [one.message for one in blobs()][1:] == [
            "blobs may take 256 MiB of the 400 MiB that Redis has for all"
        ]
