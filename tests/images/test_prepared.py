from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.images.prepared import prepared, prepared_entries
from tests.oldest import without_filters


def make(_: Path, tree: Path) -> None:
    (tree / "b").write_text("2")
    (tree / "a").mkdir()
    (tree / "a" / "x").symlink_to("/b")


def test_a_tree_is_made_once_and_kept(tmp_path: Path) -> None:
    made: list[Path] = []
    for _ in range(2):
        archive = prepared("key", tmp_path, lambda work, tree: made.append(tree))
    assert len(made) == 1
    assert list(tmp_path.iterdir()) == [archive]


def test_what_is_in_it_comes_in_the_order_of_the_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_filters(monkeypatch)
    found = [
        (entry.path, entry.kind, entry.target) for entry in prepared_entries(prepared("k", tmp_path, make))
    ]
    assert found == [("a", "directory", ""), ("a/x", "symlink", "/b"), ("b", "file", "")]


def test_one_tree_makes_one_archive_whatever_its_times_are(tmp_path: Path) -> None:
    def old(work: Path, tree: Path) -> None:
        make(work, tree)
        os.utime(tree / "b", (1, 1))

    assert prepared("one", tmp_path, make).read_bytes() == prepared("two", tmp_path, old).read_bytes()


def test_a_tree_that_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(work: Path, tree: Path) -> None:
        (tree / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared("key", tmp_path, fail)
    assert list(tmp_path.iterdir()) == []
