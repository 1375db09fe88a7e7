"""Where the command saves files whose names a job has chosen."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import psutil
import pytest

from cli.saving import UnsafeName, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_a_file_is_saved_with_the_folders_that_it_needs(target: Path) -> None:
    save("a/b/c.bin", b"\0x", str(target))
    assert (target / "a" / "b" / "c.bin").read_bytes() == b"\0x"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x", "../x", "a/../../x", "..", ".", "", "a//b", "a/", "./x", "a\0b", "\ud800",
        "x" * 256, "d/" * 64 + "x",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_written(
    target: Path, tmp_path: Path, path: str
) -> None:
    with pytest.raises(UnsafeName):
        save(path, b"x", str(target))
    assert (list(target.iterdir()), list(tmp_path.iterdir())) == ([], [target])


def test_a_folder_that_is_a_link_is_not_followed(target: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (target / "link").symlink_to(elsewhere)
    with pytest.raises(OSError, match="Not a directory"):
        save("link/x", b"x", str(target))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder", "fifo"])
def test_what_is_there_is_never_written_to(target: Path, tmp_path: Path, kind: str) -> None:
    there, own = target / "x", tmp_path / "own"
    if kind == "file":
        there.write_text("mine")
    elif kind == "folder":
        there.mkdir()
    elif kind == "fifo":
        os.mkfifo(there)
    else:
        there.symlink_to(own)
        if kind == "link":
            own.write_text("mine")
    with pytest.raises(FileExistsError):
        save("x", b"theirs", str(target))
    assert not own.exists() or own.read_text() == "mine"
    assert kind != "file" or there.read_text() == "mine"


def test_a_file_that_does_not_fit_leaves_no_part_of_itself(target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            save("x", b"x" * (1 << 20), str(target))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(target.iterdir()) == []


def test_the_longest_name_in_the_deepest_folder_is_saved(target: Path) -> None:
    deepest = "d/" * 63 + "x" * 255
    save(deepest, b"x", str(target))
    assert (target / deepest).read_bytes() == b"x"


def test_folders_that_are_there_are_used_and_the_users_own_may_be_a_link(
    target: Path, tmp_path: Path
) -> None:
    (target / "d").mkdir()
    link = tmp_path / "link"
    link.symlink_to(target)
    save("d/x", b"x", str(link))
    assert (target / "d" / "x").read_bytes() == b"x"


def test_a_file_has_the_mode_that_the_users_umask_leaves(target: Path) -> None:
    before = os.umask(0o027)
    try:
        save("x", b"x", str(target))
    finally:
        os.umask(before)
    assert (target / "x").stat().st_mode & 0o777 == 0o640


def test_nothing_stays_open_whether_it_went_well_or_not(target: Path) -> None:
    before = open_files()
    save("a/b/c/x", b"x", str(target))
    for path in ("a/b/c/x", "a/b/c/x/y"):
        with pytest.raises(OSError, match=r"File exists|Not a directory"):
            save(path, b"x", str(target))
    assert open_files() == before


def open_files() -> int:
    """The number of open descriptors of this process."""
    return psutil.Process().num_fds()
