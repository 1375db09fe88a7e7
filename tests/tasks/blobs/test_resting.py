"""A large transfer takes no time from its job, and a small one tells nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.blobs import read_blob, write_blob
from tasks.blobs import resting
from tasks.blobs.in_folder import FolderBlobs
from tasks.blobs.resting import RestingBlobs
from tasks.pool.resting_limits import RESUME, SUSPEND, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = 4 << 20


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What the parent is told of a job that runs."""
    limits, told = Limits(), list[int]()
    limits.attach(lambda message: told.append(message[0]))
    limits.accepted(7)
    monkeypatch.setattr(resting, "limits", limits)
    with limits.running(20):
        yield told


@pytest.fixture
def blobs(tmp_path: Path) -> RestingBlobs:
    return RestingBlobs(FolderBlobs(tmp_path, "", load_settings(blobs=str(tmp_path))))


@pytest.mark.parametrize(("size", "says"), [(LARGE - 1, []), (LARGE, [SUSPEND, RESUME])])
def test_the_limits_rest_while_a_large_content_is_moved(
    blobs: RestingBlobs, told: list[int], size: int, says: list[int]
) -> None:
    blob = write_blob(blobs, [bytes(100_000)] * (size // 100_000) + [bytes(size % 100_000)])
    assert told == says
    told.clear()
    assert sum(map(len, read_blob(blobs, blob))) == size
    assert told == says


def test_they_count_again_if_a_transfer_ends_early(blobs: RestingBlobs, told: list[int]) -> None:
    with blobs.writer() as writer:
        writer.feed(bytes(LARGE))
        assert told == [SUSPEND]
    assert told == [SUSPEND, RESUME]
