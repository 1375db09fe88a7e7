"""The size of what a stage left, read from the headers of its archive alone."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox.workspace import ArchiveScan, content_bytes

if TYPE_CHECKING:
    from pathlib import Path


def archive(*members: tuple[str, bytes, int]) -> bytes:
    """A tar archive; each member has a name, a type and a size."""
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, size in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, size, "a"
            tar.addfile(member, io.BytesIO(bytes(size)))
    return buffer.getvalue()


def test_only_the_contents_of_files_are_counted() -> None:
    left = archive(
        ("a", tarfile.REGTYPE, 700), ("b", tarfile.LNKTYPE, 0), ("n" * 300, tarfile.SYMTYPE, 0),
        ("d", tarfile.DIRTYPE, 0), ("p", tarfile.FIFOTYPE, 0), ("c", tarfile.REGTYPE, 5),
    )  # fmt: skip
    assert content_bytes(left) == 705


@pytest.mark.parametrize("end", [0, 100, 511, 512, 1024, 1535, 1536])
def test_an_archive_that_is_cut_short_has_no_size(end: int) -> None:
    assert content_bytes(archive(("a", tarfile.REGTYPE, 700))[:end]) is None


def test_a_damaged_header_has_no_size() -> None:
    left = bytearray(archive(("a", tarfile.REGTYPE, 1)))
    left[124:136] = b"not a number"
    assert content_bytes(bytes(left)) is None


@pytest.mark.parametrize(
    ("name", "link", "needs"),
    [
        ("n" * 97, "", False),
        ("n" * 101, "", True),
        ("d" * 99 + "/" + "n" * 99, "", True),
        ("é", "", False),
        ("a", "é", False),
        ("a", "l" * 101, True),
    ],
)
@pytest.mark.parametrize("step", [100, 10_000])
def test_names_that_only_an_extended_header_has_are_seen(
    tmp_path: Path, name: str, link: str, needs: bool, step: int
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(link) if link else path.write_text("x")
    command = ["tar", "-c", "--format=posix", "."]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    left = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=True).stdout
    scan = ArchiveScan()
    for start in range(0, len(left), step):
        scan.feed(left[start : start + step])
    assert (scan.is_whole, scan.has_extended_names) == (True, needs)


@pytest.mark.parametrize("step", [1, 100, 511, 512, 513, 700])
def test_of_an_archive_in_pieces_the_size_and_the_end_are_known(step: int) -> None:
    left = archive(("a", tarfile.REGTYPE, 700), ("b", tarfile.REGTYPE, 0), ("c", tarfile.REGTYPE, 1))
    scan = ArchiveScan()
    taken = sum(scan.feed(left[start : start + step]) for start in range(0, len(left), step))
    assert (scan.content_bytes, taken) == (701, (3 + 2 + 1 + 1) * 512)
