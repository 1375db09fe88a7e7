"""The limits on artifacts: the largest value that is accepted, and the smallest that is refused."""

from __future__ import annotations

import gc
import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox import artifacts
from sandbox.artifacts import ArtifactCaps, collect_artifacts
from tests.sandbox.test_artifacts import tar

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOMY = ArtifactCaps(files=1000, each_bytes=1 << 20, total_bytes=1 << 20)


def reasons(archive: bytes, caps: ArtifactCaps = ROOMY, *globs: str) -> dict[str, str]:
    collected = collect_artifacts([archive], globs or ("**",), caps)
    return {skip.path: skip.reason for skip in collected.skipped}


@pytest.mark.parametrize(
    ("caps", "first", "reason"),
    [
        (ArtifactCaps(2, 99, 99), [b"", b"", b""], "more than 2 files"),
        (ArtifactCaps(9, 10, 99), [b"x" * 10, b"x" * 11], "larger than 10 B"),
        (ArtifactCaps(9, 99, 20), [b"x" * 10, b"x" * 10, b"x"], "more than 20 B in all"),
    ],
)
def test_the_caps_themselves_are_allowed(caps: ArtifactCaps, first: list[bytes], reason: str) -> None:
    files = [(f"./{number}", content) for number, content in enumerate(first)]
    collected = collect_artifacts([tar(*files)], ["**"], caps)
    assert list(collected.files) == [str(number) for number in range(len(first) - 1)]
    assert [(skip.path, skip.reason) for skip in collected.skipped] == [(str(len(first) - 1), reason)]
    assert (collected.taken_bytes, collected.cut_short) == (sum(map(len, first[:-1])), False)


@pytest.mark.parametrize(
    ("last", "first", "reason"),
    [
        ("d/" * 32 + "x", "d/" * 33 + "x", "deeper than 32 folders"),
        ("x" * 1024, "x" * 1025, "its path is longer than 1024 bytes"),
        ("é" * 512, "é" * 513, "its path is longer than 1024 bytes"),
        ("a..b", "a/..", "not a name under /workspace, in UTF-8"),
    ],
    ids=["depth", "path", "bytes", "dots"],
)
def test_the_longest_and_deepest_path_comes_back(last: str, first: str, reason: str) -> None:
    collected = collect_artifacts([tar((f"./{last}", b"x"), (f"./{first}", b"x"))], ["**"], ROOMY)
    assert (list(collected.files), [skip.reason for skip in collected.skipped]) == ([last], [reason])


@pytest.mark.parametrize(("size", "shown"), [(200, "x" * 200), (201, "x" * 200 + "…")])
def test_a_path_that_stays_behind_is_shown_up_to_200_characters(size: int, shown: str) -> None:
    caps = ArtifactCaps(0, 0, 0)
    assert list(reasons(tar(("./" + "x" * size, b"")), caps)) == [shown]


def test_256_reasons_are_the_most() -> None:
    assert len(reasons(tar(*((f"./{number}", b"x") for number in range(300))), ArtifactCaps(0, 9, 9))) == 256


@pytest.mark.parametrize(("count", "is_cut"), [(50, False), (51, True)])
def test_an_archive_may_hold_so_many_members(
    monkeypatch: pytest.MonkeyPatch, count: int, is_cut: bool
) -> None:
    monkeypatch.setattr(artifacts, "_MOST_MEMBERS", 50 + 1)
    collected = collect_artifacts([tar(*((f"./{number}", b"") for number in range(count)))], ["**"], ROOMY)
    assert (len(collected.files), collected.cut_short) == (count, is_cut)


def test_what_reading_an_archive_may_cost_is_a_matter_of_seconds() -> None:
    bounds = (artifacts._MOST_MEMBERS, artifacts._MOST_WORK, artifacts._HEADER_BYTES)
    assert bounds == (65_536, 4_194_304, 65_536)


@pytest.mark.parametrize(("size", "is_read"), [(64 << 10, True), ((64 << 10) + 1, False)])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
def test_a_header_of_64_kib_is_read_and_a_larger_one_is_not(kind: bytes, size: int, is_read: bool) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, size
    record = f"{size} comment=".encode()
    content = record + b"c" * (size - len(record) - 1) + b"\n"
    archive = header.tobuf() + content + bytes(-size % 512) + tar(("./a", b"x"))
    found = reasons(archive)
    assert ("a header is larger than 64 KiB" in found.get("", "")) is not is_read
    assert list(collect_artifacts([archive], ["**"], ROOMY).files) == ["a"] * is_read


def test_a_file_that_was_named_outright_and_came_is_no_matter() -> None:
    archive = tar(("./a", b"x"), ("./b", "folder"), ("./d", b"x"))
    assert reasons(archive, ROOMY, "a", "b", "c", "d*") == {
        "b": "a folder; ask for b/",
        "c": "no such file",
    }


def test_an_archive_that_is_cut_short_after_its_first_byte_says_so_and_none_at_all_does_not() -> None:
    for archive, said in ((b"x", True), (b"", False)):
        collected = collect_artifacts([archive], ["**"], ROOMY)
        assert (collected.cut_short, len(collected.skipped)) == (True, said)
    whole = collect_artifacts([tar(("./a", b"x"))], ["**"], ROOMY)
    assert (whole.cut_short, whole.skipped) == (False, [])


def test_what_was_read_of_an_archive_is_not_kept() -> None:
    archive, alive = tar(*((f"./{number}", b"") for number in range(300))), []

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(archive), tarfile.RECORDSIZE):
            alive.append(sum(isinstance(one, artifacts._Member) for one in gc.get_objects()))
            yield archive[start : start + tarfile.RECORDSIZE]

    assert len(collect_artifacts(pieces(), ["**"], ROOMY).files) == 300
    assert (len(alive) > 10, max(alive) < 10) == (True, True)
