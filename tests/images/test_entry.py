from __future__ import annotations

import io
import tarfile

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.entry import Entry, normal, placed, tar_entries


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("./bin/sh", "usr/bin/sh"),
        ("./lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("lib64/ld.so", "usr/lib64/ld.so"),
        ("/sbin/init", "usr/sbin/init"),
        ("./usr/bin/env", "usr/bin/env"),
        ("./etc/passwd", "etc/passwd"),
        ("./library/x", "library/x"),
    ],
)
def test_a_path_goes_where_the_merged_usr_has_it(path: str, place: str) -> None:
    entry = placed(Entry(path, "file"))
    assert entry
    assert entry.path == place


@pytest.mark.parametrize("path", ["./", "./bin", "/lib", "lib64/", "sbin"])
def test_the_root_and_the_merged_folders_are_never_taken_from_a_package(path: str) -> None:
    assert placed(Entry(path, "directory")) is None
    assert placed(Entry(path, "symlink", target="usr/bin")) is None


@pytest.mark.parametrize(
    ("path", "target", "moved"),
    [
        ("lib/a/x.so", "x.so.1", "x.so.1"),
        ("lib/a/x.so", "../b/x.so", "../b/x.so"),
        ("lib/a/x.so", "../../usr/lib/x.so", "../x.so"),
        ("lib/x", "../etc/x", "../../etc/x"),
        ("bin/x", "../lib/x", "../lib/x"),
        ("bin/x", "..", "../.."),
        ("bin/x", "/etc/x", "/etc/x"),
        ("usr/lib/x", "../../lib/y", "../../lib/y"),
    ],
)
def test_a_relative_symlink_still_means_the_same_place(path: str, target: str, moved: str) -> None:
    entry = placed(Entry(path, "symlink", target=target))
    assert entry
    assert entry.target == moved


def test_a_hard_link_finds_its_moved_target() -> None:
    entry = placed(Entry("./bin/b", "hardlink", target="./bin/a"))
    assert entry
    assert entry.target == "usr/bin/a"


@pytest.mark.parametrize("name", ["../x", "usr/../../x", "a/..", "a\0b"])
def test_a_path_that_leaves_the_root_is_refused(name: str) -> None:
    with pytest.raises(ImageBuildFailed, match="leaves the root"):
        normal(name)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_in_a_package_is_refused(kind: bytes) -> None:
    member = tarfile.TarInfo("dev/x")
    member.type = kind
    stream = io.BytesIO(member.tobuf())
    with tarfile.open(fileobj=stream) as archive, pytest.raises(ImageBuildFailed, match="dev/x"):
        list(tar_entries(archive))
