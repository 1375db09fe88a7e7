"""How an image's layers are unpacked: as they say, and never outside of its folder on the host."""

from __future__ import annotations

import os
import stat
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.layer import make_folder, unpack_layer
from tests.saved_image import Entry, device, file, folder, hard_link, link, tar

if TYPE_CHECKING:
    from pathlib import Path

Layer = list[Entry]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Gives a folder of the host, beside the image's, with a file that no layer may change."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").write_text("kept")
    return tmp_path / "outside"


@pytest.fixture
def root(outside: Path) -> Path:
    """Gives the image's folder."""
    return outside.with_name("root")


def unpack(root: Path, *layers: Layer) -> list[str]:
    """Unpack the layers, and list all paths that are there then."""
    for entries in layers:
        unpack_layer(BytesIO(tar(*entries)), root)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_later_layer_replaces_files_and_keeps_folders(root: Path) -> None:
    lower = [folder("etc"), file("etc/a", b"old"), file("etc/b"), link("c", "etc")]
    assert unpack(root, lower, [folder("etc", 0o700), file("etc/a", b"new"), file("c", b"a file now")]) == [
        "c",
        "etc",
        "etc/a",
        "etc/b",
    ]
    assert ((root / "etc/a").read_text(), (root / "c").read_text(), mode(root / "etc")) == (
        "new",
        "a file now",
        0o700,
    )


@pytest.mark.parametrize("later", [[file("a", b"1")], [link("a", "x")], [folder("a")]])
def test_whatever_was_there_gives_way_to_another_kind(root: Path, later: Layer) -> None:
    unpack(root, [folder("a"), file("a/b")], [link("a", "x")], [folder("a"), file("a/c")], later)
    assert (root / "a").is_symlink() is later[0][0].issym()
    assert (root / "a").is_file() is later[0][0].isreg()
    assert not (root / "a/b").exists()


def test_a_mark_removes_what_earlier_layers_have_and_is_no_file_itself(root: Path) -> None:
    lower = [folder("a"), file("a/gone"), file("a/kept"), folder("b"), file("b/c")]
    assert unpack(root, lower, [file("a/.wh.gone"), file(".wh.b"), file(".wh.never")]) == ["a", "a/kept"]


@pytest.mark.parametrize("last", [False, True], ids=["mark first", "mark last"])
def test_a_mark_for_a_whole_folder_removes_what_earlier_layers_have_in_it_alone(
    root: Path, last: bool
) -> None:
    lower = [folder("a"), file("a/old"), folder("a/b"), file("a/b/old")]
    own, mark = [folder("a"), folder("a/b"), file("a/b/new")], file("a/.wh..wh..opq")
    assert unpack(root, lower, [*own, mark] if last else [own[0], mark, *own[1:]]) == ["a", "a/b", "a/b/new"]


def test_a_mark_and_a_file_of_the_same_layer_replace_what_was_there(root: Path) -> None:
    lower = [folder("a"), file("a/old")]
    assert unpack(root, lower, [folder("a"), file("a/new"), file(".wh.a")]) == ["a", "a/new"]


@pytest.mark.parametrize("name", [".wh..", ".wh...", "a/.wh..", "a/.wh..."])
def test_a_mark_for_no_file_is_refused(root: Path, outside: Path, name: str) -> None:
    with pytest.raises(ValueError, match="a layer removes"):
        unpack(root, [folder("a"), file(name)])
    assert (outside / "kept").exists()


def test_notes_of_other_tools_are_no_marks(root: Path) -> None:
    assert unpack(root, [file("a")], [file(".wh..wh.plnk"), file(".wh..wh.a")]) == ["a"]


def test_hard_links_are_one_file(root: Path) -> None:
    unpack(root, [file("a", b"1")], [hard_link("b/c", "/a")])
    assert (root / "b/c").samefile(root / "a")


def test_times_and_the_rights_to_read_and_execute_are_kept(root: Path) -> None:
    unpack(root, [file("a", mode=0o750, mtime=1_000_000_000)])
    assert (mode(root / "a"), (root / "a").stat().st_mtime) == (0o750, 1_000_000_000)


def test_nobody_gets_rights_on_the_host_from_a_file(root: Path) -> None:
    entries = [file("a", mode=0o7777, uid=1000, gid=1000), folder("b", 0o1777)]
    entries[0][0].pax_headers = {"SCHILY.xattr.user.a": "x"}
    unpack(root, entries)
    assert [mode(root / name) for name in ("a", "b")] == [0o755, 0o755]
    assert ((root / "a").stat().st_uid, os.listxattr(root / "a")) == (os.geteuid(), [])


@pytest.mark.parametrize("kind", [tarfile.BLKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_there_are_no_devices_and_no_pipes_in_which_cells_could_meet(root: Path, kind: bytes) -> None:
    assert unpack(root, [device("dev/disk", kind), file("a")]) == ["a"]


def test_folders_that_a_layer_does_not_list_are_open_whatever_the_umask_is(root: Path) -> None:
    before = os.umask(0o077)
    try:
        unpack(root, [file("a/b/c")])
    finally:
        os.umask(before)
    assert [mode(root / path) for path in ("a", "a/b", "a/b/c")] == [0o755, 0o755, 0o644]


@pytest.mark.parametrize("path", ["../outside/kept", "/../outside/kept", "a/../../outside/kept"])
def test_a_path_that_leads_out_stays_in(root: Path, outside: Path, path: str) -> None:
    unpack(root, [file(path, b"lost")])
    assert (outside / "kept").read_text() == "kept"
    assert (root / "outside/kept").read_text() == "lost"


@pytest.mark.parametrize("target", ["{outside}", "../outside", "../../../../{outside}"])
def test_a_link_of_an_earlier_layer_that_leads_out_is_followed_within_the_image(
    root: Path, outside: Path, target: str
) -> None:
    unpack(root, [link("a", target.format(outside=outside))], [file("a/kept", b"lost")], [file("a/.wh.kept")])
    assert (outside / "kept").read_text() == "kept"


def test_a_link_of_the_same_layer_that_leads_out_is_followed_within_the_image(
    root: Path, outside: Path
) -> None:
    unpack(root, [link("a", str(outside)), link("b", "a"), file("b/kept", b"lost"), folder("b/new")])
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (root / str(outside)[1:] / "kept").read_text() == "lost"


def test_a_link_that_begins_with_a_slash_begins_at_the_root_of_the_image(root: Path) -> None:
    unpack(root, [link("a/b", "/c"), file("a/b/d", b"1")])
    assert (root / "c/d").read_text() == "1"


def test_a_folder_that_becomes_a_link_in_the_middle_of_a_layer_is_followed_as_what_it_is_then(
    root: Path, outside: Path
) -> None:
    unpack(root, [folder("a"), file("a/x"), link("a", str(outside)), file("a/kept", b"lost")])
    assert (outside / "kept").read_text() == "kept"


def test_a_mark_through_a_link_removes_nothing_of_the_host(root: Path, outside: Path) -> None:
    unpack(root, [link("a", str(outside))], [file("a/.wh..wh..opq")], [file(".wh.a")])
    assert (outside / "kept").exists()


@pytest.mark.parametrize("through", ["{outside}/kept", "../outside/kept", "a/kept"])
def test_a_hard_link_to_a_file_of_the_host_is_refused(root: Path, outside: Path, through: str) -> None:
    entries = [link("a", str(outside)), hard_link("b", through.format(outside=outside))]
    with pytest.raises(ValueError, match="'b': No such file"):
        unpack(root, entries)
    assert (outside / "kept").stat().st_nlink == 1


def test_a_file_is_never_written_through_a_link_in_its_own_place(root: Path, outside: Path) -> None:
    unpack(root, [link("a", f"{outside}/kept")], [file("a", b"lost", mode=0o777)])
    assert ((outside / "kept").read_text(), (root / "a").read_text()) == ("kept", "lost")


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([link("a", "b"), link("b", "a"), file("a/x")], "links lead in a circle"),
        ([file("a/" * 201 + "x")], "nested more than 200 deep"),
        ([file("a/..")], "a file has the path 'a/..'"),
        ([file("a"), file("a/b")], "'a/b': File exists"),
    ],
    ids=["circle", "deep", "no name", "below a file"],
)
def test_paths_that_make_no_sense_are_refused(root: Path, entries: Layer, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        unpack(root, entries)


def test_the_folder_of_a_volume_is_made_within_the_image(root: Path, outside: Path) -> None:
    unpack(root, [link("a", str(outside)), link("run", "var/run")])
    assert make_folder(root, "/a/../../x").is_relative_to(root)
    assert make_folder(root, "run") == root / "var/run"
    assert [path.name for path in outside.iterdir()] == ["kept"]
