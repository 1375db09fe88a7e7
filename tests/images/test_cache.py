from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images import Cache


def test_the_cache_is_in_the_users_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert Cache.default().root == tmp_path / ".cache" / "cellblock" / "images"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert Cache.default().root == tmp_path / "elsewhere" / "cellblock" / "images"


def test_a_folder_is_made_with_all_above_it(cache: Cache) -> None:
    assert cache.folder("debian").is_dir()
    assert cache.folder("debian") == cache.root / "debian"


def test_a_folder_that_cannot_be_made_is_an_error_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageBuildFailed, match=r"cannot be made \(Not a directory\); set XDG_CACHE_HOME"):
        Cache(tmp_path / "file").folder("debian")


def test_one_build_at_a_time_uses_a_cache(cache: Cache) -> None:
    with cache.locked(), (cache.root / "lock").open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (cache.root / "lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
