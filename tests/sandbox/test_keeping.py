"""How an archive is kept while it comes: to its end and no further, and whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox.artifacts import ArtifactCaps
from sandbox.blobs import write_blob
from sandbox.keeping import bring_back
from tasks.blobs.in_folder import FolderBlobs
from tests.sandbox.blob_folder import archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox import Job
    from tests.sandbox.conftest import Parse

CAPS = ArtifactCaps(9, 9999, 9999)
WHOLE = archive(("a", b"x" * 600), ("b", b""))
# Headers and content, and the two blocks that end an archive; the rest of the record is nothing.
USED = (2 + 2 + 2) * 512 - 512


@pytest.fixture
def job(parse: Parse, tmp_path: Path) -> Job:
    store = FolderBlobs(tmp_path, "", load_settings(blobs=str(tmp_path)))
    return replace(parse(keep_workspace=True), blobs=store)


def in_pieces(size: int, content: bytes = WHOLE) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def test_what_comes_behind_the_archive_is_not_waited_for(job: Job) -> None:
    def pieces() -> Iterator[bytes]:
        yield WHOLE
        raise AssertionError("the cell takes its time to close")

    assert bring_back(pieces(), job, CAPS)[1].ref


@pytest.mark.parametrize("size", [1, 511, 512, 4096, 20_000])
@pytest.mark.parametrize("artifacts", [(), ("*",)])
def test_the_ref_does_not_depend_on_how_the_archive_came(
    job: Job, size: int, artifacts: tuple[str, ...]
) -> None:
    collected, kept = bring_back(in_pieces(size), replace(job, artifacts=artifacts), CAPS)
    assert job.blobs is not None
    assert (kept, job.blobs.size(kept.ref or "")) == (bring_back([WHOLE], job, CAPS)[1], USED + 512)
    assert list(collected.files) == (["a", "b"] if artifacts else [])


@pytest.mark.parametrize("end", [0, 100, 700, 1500, USED - 512])
def test_an_archive_that_ends_early_is_not_kept(job: Job, end: int, tmp_path: Path) -> None:
    kept = bring_back([WHOLE[:end]], job, CAPS)[1]
    assert (kept.ref, kept.cut_short) == (None, True)
    assert kept.skipped == "the cell did not give its files as a whole"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_collector_that_has_seen_enough_does_not_cut_the_workspace_short(job: Job) -> None:
    many = archive(*((f"f{number:03}", b"") for number in range(300)))
    patterns = tuple(f"**/*{number}*" for number in range(200))
    kept = bring_back(in_pieces(4096, many), replace(job, artifacts=patterns), CAPS)[1]
    assert kept.ref == bring_back([many], job, CAPS)[1].ref


def test_a_store_that_is_full_only_at_the_end_keeps_nothing_and_says_so(job: Job, tmp_path: Path) -> None:
    small = FolderBlobs(tmp_path, "", load_settings(blobs=str(tmp_path), blobs_limit=1024))
    kept = bring_back([WHOLE], replace(job, blobs=small), CAPS)[1]
    assert (kept.ref, kept.cut_short) == (None, False)
    assert "1 KiB" in (kept.skipped or "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_is_full_already_is_given_no_more_than_the_first_piece(job: Job, tmp_path: Path) -> None:
    small = FolderBlobs(tmp_path, "", load_settings(blobs=str(tmp_path), blobs_limit=1024))
    held = write_blob(FolderBlobs(tmp_path, "", load_settings(blobs=str(tmp_path))), [b"x" * 2048])
    big = archive(("a", b"x" * (4 << 20)))
    kept = bring_back(in_pieces(1 << 16, big), replace(job, blobs=small), CAPS)[1]
    assert (kept.ref, kept.cut_short) == (None, False)
    assert "1 KiB" in (kept.skipped or "")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [held.ref[7:]]
