"""The files that the worker takes out of the archive of a hostile cell."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import artifacts
from sandbox.artifacts import ArtifactCaps, Collected, collect_artifacts

KINDS = {
    "symlink": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
}


OTHERS = {"folder": (tarfile.DIRTYPE, ""), "second name": (tarfile.LNKTYPE, "./a")}


def tar(*members: tuple[str, bytes | str]) -> bytes:
    """An archive of files, given as bytes, and of other members, given by the name of their kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = OTHERS.get(content) or (KINDS[content], "/etc/passwd")
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def collect(archive: bytes, *globs: str, most_bytes: int = 1 << 20, each_bytes: int = 1 << 41) -> Collected:
    return collect_artifacts([archive], globs or ("**",), ArtifactCaps(256, each_bytes, most_bytes))


def test_a_file_that_matches_comes_back_whole() -> None:
    assert collect(tar(("./out/a.bin", b"\xff\0")), "out/*").files == {"out/a.bin": b"\xff\0"}


def test_a_file_that_matches_nothing_is_not_mentioned() -> None:
    collected = collect(tar(("./a.txt", b"a"), ("./b.log", b"b")), "*.txt")
    assert (set(collected.files), collected.skipped) == ({"a.txt"}, [])


@pytest.mark.parametrize(
    ("members", "reason"), [([], "no such file"), ([("./out", "folder")], "a folder; ask for out/")]
)
def test_a_path_that_is_named_outright_and_is_no_file_gets_a_reason(
    members: list[tuple[str, str]], reason: str
) -> None:
    collected = collect(tar(*members), "out", "*.png")
    assert [(skip.path, skip.reason) for skip in collected.skipped] == [("out", reason)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_stays_behind(kind: str) -> None:
    collected = collect(tar(("./trap", kind), ("./good", b"x")))
    assert set(collected.files) == {"good"}
    assert [(skip.path, skip.reason) for skip in collected.skipped] == [("trap", "not a regular file")]


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/../../b", "./../x"])
def test_a_name_that_leads_out_of_the_workspace_stays_behind(name: str) -> None:
    assert collect(tar((name, b"x"))).files == {}


def test_a_name_that_is_not_utf8_stays_behind_and_is_shown_as_text() -> None:
    collected = collect(tar(("./caf\udce9", b"x")))
    assert (collected.files, [skip.path for skip in collected.skipped]) == ({}, ["caf?"])


@pytest.mark.parametrize(
    ("code_point", "comes_back"),
    [(0, False), (1, True), (0xD7FF, True), (0xD800, False), (0xDFFF, False), (0xE000, True)],
)
def test_a_name_comes_back_if_a_path_can_carry_it(code_point: int, comes_back: bool) -> None:
    assert artifacts._is_safe(f"a{chr(code_point)}") == comes_back


def test_files_past_the_size_cap_stay_behind_with_the_reason() -> None:
    collected = collect(tar(("./big", b"x" * 11), ("./small", b"x")), most_bytes=10)
    assert set(collected.files) == {"small"}
    assert collected.skipped[0].reason == "more than 10 B in all"


def test_one_file_past_its_own_cap_stays_behind_with_the_reason() -> None:
    collected = collect(tar(("./big", b"x" * 11), ("./small", b"x")), each_bytes=10)
    assert (set(collected.files), collected.skipped[0].reason) == ({"small"}, "larger than 10 B")


def test_a_file_in_too_deep_a_folder_stays_behind_with_the_reason() -> None:
    collected = collect(tar(("./" + "d/" * 40 + "x", b"x")))
    assert (collected.files, collected.skipped[0].reason) == ({}, "deeper than 32 folders")


def test_the_cap_is_on_all_files_together() -> None:
    collected = collect(tar(("./a", b"x" * 6), ("./b", b"x" * 6)), most_bytes=10)
    assert (set(collected.files), collected.taken_bytes) == ({"a"}, 6)


def test_of_a_name_that_comes_twice_only_the_last_content_counts() -> None:
    collected = collect(tar(("./a", b"x" * 6), ("./a", b"y" * 6)), most_bytes=10)
    assert (collected.files, collected.taken_bytes) == ({"a": b"y" * 6}, 6)


def test_the_number_of_files_and_of_excuses_is_bounded() -> None:
    collected = collect(tar(*((f"./{number}", b"") for number in range(600))))
    assert (len(collected.files), len(collected.skipped)) == (256, 256)


def test_an_archive_cut_short_gives_what_came_and_says_so() -> None:
    archive = tar(("./a", b"a" * 512), ("./b", b"b" * 5000))
    collected = collect(archive[: 512 * 4])
    assert set(collected.files) == {"a"}
    assert "cut short" in collected.skipped[-1].reason


@pytest.mark.parametrize("cut", [512 * 2, 512 * 2 + 100])
def test_an_archive_that_ends_between_two_files_is_cut_short_too(cut: int) -> None:
    collected = collect(tar(("./a", b"a" * 512), ("./b", b""))[:cut])
    assert (set(collected.files), "cut short" in collected.skipped[-1].reason) == ({"a"}, True)


def test_an_archive_with_a_damaged_header_says_so() -> None:
    archive = bytearray(tar(("./a", b""), ("./b", b"")))
    archive[512] ^= 1
    collected = collect(bytes(archive))
    assert (set(collected.files), "cut short" in collected.skipped[-1].reason) == ({"a"}, True)


def test_a_second_name_of_a_file_comes_back_with_the_same_content() -> None:
    collected = collect(tar(("./a", b"x"), ("./b", "second name")))
    assert (collected.files, collected.taken_bytes) == ({"a": b"x", "b": b"x"}, 2)


def test_a_second_name_counts_towards_the_caps() -> None:
    collected = collect(tar(("./a", b"x" * 6), ("./b", "second name")), most_bytes=10)
    assert (set(collected.files), collected.skipped[0].reason) == ({"a"}, "more than 10 B in all")


def test_no_archive_at_all_is_no_artifacts() -> None:
    assert collect(b"").files == {}


def test_a_size_that_lies_reads_no_more_than_there_is() -> None:
    info = tarfile.TarInfo("./liar")
    info.size = 1 << 40
    collected = collect(info.tobuf() + b"x" * 1024, most_bytes=1 << 41)
    assert collected.taken_bytes <= 1024


def test_a_job_cannot_make_its_files_look_complete_by_lying_about_their_size() -> None:
    info = tarfile.TarInfo("./liar")
    info.size = 5000
    collected = collect(info.tobuf() + b"x" * 512)
    assert collected.files == {}


@pytest.mark.parametrize("size", [1 << 40, 1 << 80])
def test_a_size_that_lies_is_not_waited_for(size: int) -> None:
    info = tarfile.TarInfo("./liar")
    info.size = size
    started = time.monotonic()
    collected = collect(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 1024, each_bytes=10)
    assert [skip.path for skip in collected.skipped] == ["liar", ""]
    assert time.monotonic() - started < 5


@given(st.binary(max_size=2000))
def test_no_bytes_make_it_crash(data: bytes) -> None:
    assert collect(data).taken_bytes <= len(data)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_no_damage_makes_it_crash(place: int, byte: int) -> None:
    damaged = bytearray(tar(("./a", b"a" * 600)))
    damaged[place] = byte
    assert collect(bytes(damaged)).taken_bytes <= len(damaged)


@given(st.lists(st.integers(1, 700), max_size=10))
def test_the_pieces_make_no_difference(sizes: list[int]) -> None:
    rest, pieces = tar(("./a", b"a" * 600), ("./b", b"b")), []
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assert set(collect_artifacts([*pieces, rest], ["*"], ArtifactCaps(9, 999, 999)).files) == {"a", "b"}


def test_nothing_is_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    collect(tar(("./a", b"x"), ("../b", b"x")))
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_no_job_could_be_sent_stays_behind_and_is_shown_shortened() -> None:
    collected = collect(tar(("./" + "d" * 5000, b"x")))
    assert (collected.files, collected.skipped[0].reason) == ({}, "its path is longer than 1024 bytes")
    assert len(collected.skipped[0].path) < 250


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE])
def test_a_header_that_would_fill_the_workers_memory_is_not_read(kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 1 << 30
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        yield header.tobuf()
        while True:
            read += 1
            yield bytes(512)

    collected = collect_artifacts(pieces(), ["**"], ArtifactCaps(9, 999, 999))
    assert (read < 100, "a header is larger than" in collected.skipped[0].reason) == (True, True)


def test_the_number_of_members_that_are_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_MOST_MEMBERS", 50)
    collected = collect(tar(*((f"./{number}", b"") for number in range(60))))
    assert (len(collected.files), "more than 50" in collected.skipped[0].reason) == (50, True)


def test_what_patterns_may_cost_is_bounded_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_MOST_WORK", 200)
    collected = collect(tar(*((f"./{number:0100}", b"") for number in range(60))), "*0" * 30 + "x")
    assert collected.skipped[-1].reason.startswith("there are too many files for these patterns")


@pytest.mark.parametrize("names", ["abcd", "dcba", "cadb"])
def test_the_first_files_by_name_come_back_whatever_the_order_of_the_archive(names: str) -> None:
    archive = packed(dict.fromkeys(names, b"x" * 4))
    few = collect_artifacts([archive], ["*"], ArtifactCaps(2, 99, 99))
    small = collect_artifacts([archive], ["*"], ArtifactCaps(9, 99, 11))
    assert (sorted(few.files), [one.path for one in few.skipped]) == (["a", "b"], ["c", "d"])
    assert (sorted(small.files), {one.reason for one in small.skipped}) == (
        ["a", "b"],
        {"more than 11 B in all"},
    )


def test_nothing_comes_back_behind_the_first_file_that_is_too_much() -> None:
    archive = packed({"a": b"x" * 4, "b": b"x" * 8, "c": b"x"})
    collected = collect_artifacts([archive], ["*"], ArtifactCaps(9, 99, 10))
    assert (list(collected.files), [one.path for one in collected.skipped]) == (["a"], ["b", "c"])


def test_skipped_files_beyond_the_first_256_are_counted() -> None:
    archive = packed({f"f{number:03}": b"x" for number in range(999, -1, -1)})
    collected = collect_artifacts([archive], ["*"], ArtifactCaps(1, 99, 99))
    assert (list(collected.files), collected.skipped[0].path) == (["f000"], "f001")
    assert (len(collected.skipped), collected.unnamed) == (256, 743)


def packed(files: dict[str, bytes]) -> bytes:
    """A tar archive of these files in this order."""
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
