from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.entry import Entry
from sandbox.images.finish import Finish
from sandbox.images.layer import EPOCH, Layer, write_layer
from sandbox.images.package import deb_entries
from sandbox.images.trim import Trim

from .conftest import Deb


def merged(
    trees: Iterable[Iterable[Entry]],
    drop: Iterable[str] = (),
    symlinks: Mapping[str, str] | None = None,
    joined: Mapping[str, str] | None = None,
    alternatives: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
) -> tuple[Layer, bytes]:
    out = io.BytesIO()
    finish = Finish(symlinks or {}, joined or {}, alternatives or {}, scripts or {})
    return write_layer(out, trees, Trim.of(drop, ()), finish), out.getvalue()


def members(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name: member for member in archive}


def text(path: str, content: str) -> Entry:
    return Entry(path, "file", 0o644, len(content), content=io.BytesIO(content.encode()))


def test_the_same_packages_make_the_same_bytes(deb: Deb) -> None:
    one = deb("one", {"bin/one": "1", "usr/share/x/y": "y"})
    two = deb("two", {"usr/bin/two": "-> ../../bin/one"})
    layers = [merged([deb_entries(one), deb_entries(two)]) for _ in range(2)]
    assert layers[0] == layers[1]
    assert layers[0][0].size == len(layers[0][1])


def test_when_a_file_was_written_does_not_show(deb: Deb, tmp_path: Path) -> None:
    paths = [deb(name, {"bin/one": "1"}) for name in ("one", "other")]
    os.utime(tmp_path / "trees" / "one-1" / "bin" / "one", (1, 1))
    rebuilt = deb("one", {})
    assert rebuilt == paths[0]
    assert merged([deb_entries(rebuilt)]) == merged([deb_entries(paths[1])])


def test_setuid_setgid_and_owners_are_gone(deb: Deb) -> None:
    path = deb("su", {"bin/su": "x", "var/mail/x": "x"}, modes={"bin/su": 0o4755, "var/mail": 0o2775})
    found = members(merged([deb_entries(path)])[1])
    assert found["usr/bin/su"].mode == 0o755
    assert found["var/mail"].mode == 0o755
    owners = {(member.uid, member.gid, member.uname, member.mtime) for member in found.values()}
    assert owners == {(0, 0, "", EPOCH)}


def test_hard_links_stay_hard_links(deb: Deb, tmp_path: Path) -> None:
    tree = tmp_path / "trees" / "pair-1" / "bin"
    tree.mkdir(parents=True)
    (tree / "a").write_text("x")
    (tree / "b").hardlink_to(tree / "a")
    found = members(merged([deb_entries(deb("pair", {}))])[1])
    assert {found["usr/bin/a"].type, found["usr/bin/b"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert {found["usr/bin/a"].linkname, found["usr/bin/b"].linkname} & {"usr/bin/a", "usr/bin/b"}


def test_a_hard_link_without_its_file_is_refused() -> None:
    tree = [text("bin/a", "x"), Entry("bin/b", "hardlink", target="bin/a")]
    with pytest.raises(ImageBuildFailed, match="drop both or neither"):
        merged([tree], drop=["/usr/bin/a"])


def test_the_mount_points_are_there_without_any_package() -> None:
    found = members(merged([])[1])
    assert {"proc", "sys", "dev", "run", "workspace"} <= found.keys()
    assert {"etc/passwd", "etc/group", "etc/nsswitch.conf"} <= found.keys()
    assert found["tmp"].mode == 0o1777
    assert {name: found[name].linkname for name in ("bin", "sbin", "lib", "lib64")} == {
        "bin": "usr/bin",
        "sbin": "usr/sbin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
    }


def test_the_first_to_claim_a_path_has_it() -> None:
    found = members(merged([[text("etc/passwd", "evil"), text("a", "1")], [text("a", "22")]])[1])
    assert found["a"].size == 1
    assert found["etc/passwd"].size > len("evil")


def test_nothing_is_written_through_a_symlink() -> None:
    tree = [Entry("x", "symlink", target="/etc"), text("x/shadow", "evil")]
    with pytest.raises(ImageBuildFailed, match="/x/shadow is below /x"):
        merged([tree])


def test_a_symlink_of_the_recipe_may_name_its_target_by_a_glob() -> None:
    layer = merged([[text("usr/lib/x-17/run", "x")]], symlinks={"/usr/bin/run": "/usr/lib/x-*/run"})[1]
    assert members(layer)["usr/bin/run"].linkname == "/usr/lib/x-17/run"


def test_a_symlink_of_the_recipe_to_nothing_is_refused() -> None:
    with pytest.raises(ImageBuildFailed, match="no package brings that"):
        merged([], symlinks={"/usr/bin/run": "/usr/lib/x-*/run"})


def test_a_script_of_the_recipe_replaces_a_packages_file() -> None:
    script = '#!/bin/sh\nexec /usr/lib/x/run "$@"\n'
    _, tar = merged([[text("usr/bin/run", "x")]], scripts={"/usr/bin/run": script})
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        file = archive.extractfile("usr/bin/run")
        assert file is not None
        assert file.read().decode() == script
        assert archive.getmember("usr/bin/run").mode == 0o755


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x_1_all.deb"
    path.write_bytes(b"no archive")
    with pytest.raises(ImageBuildFailed, match=r"cannot unpack x_1_all\.deb"):
        list(deb_entries(path))


def test_a_file_may_be_joined_from_others_which_stay() -> None:
    tree = [text("certs/b.crt", "B"), text("certs/a.crt", "A\n"), text("certs/readme", "R")]
    _, tar = merged([tree], joined={"/etc/all.crt": "/certs/*.crt"})
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        file = archive.extractfile("etc/all.crt")
        assert file is not None
        assert file.read() == b"A\nB\n"
        assert "certs/a.crt" in archive.getnames()


def test_a_file_that_is_joined_from_nothing_is_a_mistake_in_the_recipe() -> None:
    with pytest.raises(ImageBuildFailed, match=r"No package brings /certs/\*, which the recipe joins"):
        merged([], joined={"/all": "/certs/*"})


def test_an_alternative_is_linked_where_its_target_is_there() -> None:
    tree = [text("usr/lib/blas/libblas.so.3", "x")]
    links = {"/lib/libblas.so.3": "/lib/blas/libblas.so.3", "/usr/bin/editor": "/usr/bin/vi"}
    found = members(merged([tree], alternatives=links)[1])
    assert found["usr/lib/libblas.so.3"].linkname == "/lib/blas/libblas.so.3"
    assert "usr/bin/editor" not in found


def test_an_alternative_gives_way_to_a_file_and_to_what_the_recipe_drops() -> None:
    tree = [text("usr/bin/awk", "x"), text("usr/bin/mawk", "x")]
    links = {"/usr/bin/awk": "/usr/bin/mawk", "/usr/share/man/awk.1": "/usr/bin/mawk"}
    found = members(merged([tree], drop=["/usr/share/man"], alternatives=links)[1])
    assert found["usr/bin/awk"].isreg()
    assert "usr/share/man/awk.1" not in found
