"""What only blobs in a folder need."""

from __future__ import annotations

import os
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import BlobsFull, BlobsUnavailable, InvalidJob
from sandbox.blobs import Blob, read_blob, write_blob
from tasks.blobs import in_folder
from tasks.blobs.in_folder import FolderBlobs

if TYPE_CHECKING:
    from pathlib import Path


def blobs_in(folder: Path, tenant: str = "alice", **more: Any) -> FolderBlobs:
    return FolderBlobs(folder, tenant, load_settings(blobs=str(folder), **more))


def test_files_of_the_store_are_its_users_alone(tmp_path: Path) -> None:
    blob = write_blob(store := blobs_in(tmp_path), [b"secret"])
    path = store.path(blob.ref)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("tenant", [".", "..", "a", ""])
def test_no_tenants_folder_is_outside_of_the_stores(tmp_path: Path, tenant: str) -> None:
    store = blobs_in(tmp_path, tenant)
    assert store.path(write_blob(store, [b"x"]).ref).resolve().parents[1] == tmp_path


def test_what_a_writer_that_is_gone_has_left_is_removed_an_hour_later(tmp_path: Path) -> None:
    gone = blobs_in(tmp_path).writer()
    gone.feed(bytes(3 << 20))
    gone._file.close()
    (left,) = (tmp_path / "new").iterdir()
    store = blobs_in(tmp_path, tenant_blobs_limit=10)
    write_blob(store, [b"x"])
    assert left.exists()
    os.utime(left, (0, time.time() - 3500))
    write_blob(store, [b"y"])
    assert left.exists()
    os.utime(left, (0, time.time() - 3700))
    write_blob(store, [b"z"])
    assert not left.exists()


def test_what_has_expired_is_removed_now_and_then_where_there_is_no_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_folder, "_next_sweep", {})
    store = blobs_in(tmp_path)
    old = store.path(write_blob(store, [b"old"]).ref)
    os.utime(old, (0, 0))
    write_blob(store, [b"new"])
    assert old.exists(), "it was looked for a moment ago"
    monkeypatch.setattr(in_folder, "_next_sweep", {})
    write_blob(store, [b"newer"])
    assert not old.exists()


def test_a_content_that_was_changed_is_refused(tmp_path: Path) -> None:
    blob = write_blob(store := blobs_in(tmp_path), [b"abc"])
    store.path(blob.ref).write_bytes(b"abd")
    with pytest.raises(InvalidJob, match=f"has of {blob.ref} is incomplete or damaged"):
        list(read_blob(store, blob))


def test_no_link_in_the_folder_leads_out_of_it(tmp_path: Path) -> None:
    blob = write_blob(store := blobs_in(tmp_path), [b"abc"])
    store.path(blob.ref).unlink()
    store.path(blob.ref).symlink_to("/etc/passwd")
    with pytest.raises(BlobsUnavailable):
        list(store.read(Blob(blob.ref, 3)))


def test_what_is_no_file_is_no_blob(tmp_path: Path) -> None:
    blob = write_blob(store := blobs_in(tmp_path), [b"abc"])
    store.path(blob.ref).unlink()
    os.mkfifo(store.path(blob.ref))
    assert (store.size(blob.ref), list(store.read(blob))) == (None, [])


def test_a_folder_that_is_not_there_is_no_lack_of_blobs(tmp_path: Path) -> None:
    store = blobs_in(tmp_path / "gone")
    with pytest.raises(BlobsUnavailable, match=r"No such file or directory in the folder .*gone\. Try:"):
        store.size(f"sha256:{0:064}")
    with pytest.raises(BlobsUnavailable):
        store.writer()


def test_a_disk_with_no_room_is_a_full_store(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(BlobsFull, match="there is no room left for the folder"):
            write_blob(blobs_in(tmp_path), [bytes(3 << 20)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "new").iterdir()) == []
