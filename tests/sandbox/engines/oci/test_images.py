"""How images get into the store of a host without Docker, and that a broken one leaves nothing."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue
from sandbox import ImageBuildFailed, ImageMissing
from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.store import Store, StoredImage
from tests.conftest import unavailable
from tests.saved_image import file, hard_link, link, saved, tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASH = load_catalogue()["bash"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def images(store: Store) -> OciImages:
    return OciImages(store)


def image(name: str, text: bytes = b"hi", **config: Any) -> Iterator[bytes]:
    return saved(name, [file("etc/text", text)], **config)


def found(images: OciImages, name: str) -> StoredImage:
    stored = images.find(name)
    assert stored is not None
    return stored


def text_of(stored: StoredImage) -> str:
    return (stored.rootfs / "etc/text").read_text()


def test_an_image_is_found_by_its_name_with_what_it_says(images: OciImages) -> None:
    images.load(image("a/b:c", Env=["PATH=/bin", "A=b=c"], Labels={"k": "v"}, Volumes={"/data": {}}))
    stored = found(images, "a/b:c")
    assert (text_of(stored), stored.env, stored.labels) == ("hi", {"PATH": "/bin", "A": "b=c"}, {"k": "v"})
    assert (stored.volumes, stored.size_bytes, stored.digest) == (("/data",), 2, None)
    assert found(images, stored.id).rootfs == stored.rootfs


def test_an_image_has_a_folder_for_all_that_is_mounted_in_its_cells(images: OciImages) -> None:
    images.load(saved("a:1", [link("tmp", "var/tmp")], Volumes={"/data/x": {}}))
    rootfs = found(images, "a:1").rootfs
    assert {"proc", "dev", "sys", "workspace", "var/tmp", "data/x"} <= {
        str(path.relative_to(rootfs)) for path in rootfs.rglob("*") if path.is_dir()
    }


def test_an_image_that_says_nothing_of_its_containers_is_taken(images: OciImages) -> None:
    images.load(image("a:1", Env=None, Labels=None, Volumes=None))
    assert (found(images, "a:1").env, found(images, "a:1").volumes) == ({}, ())


def test_a_file_with_two_names_counts_once(images: OciImages) -> None:
    images.load(saved("a:1", [file("a", b"12345"), hard_link("b", "a"), link("c", "a")]))
    assert found(images, "a:1").size_bytes == 5


def test_a_name_moves_to_the_newest_image_and_the_older_one_stays_for_its_cells(images: OciImages) -> None:
    images.load(image("a:1", b"old"))
    old = found(images, "a:1")
    images.load(image("a:1", b"new"))
    assert (text_of(found(images, "a:1")), text_of(old)) == ("new", "old")


def test_an_image_that_is_here_already_is_taken_again(images: OciImages) -> None:
    for name in ("a:1", "a:2", "a:1"):
        images.load(image(name))
    assert found(images, "a:1").rootfs == found(images, "a:2").rootfs


def test_every_user_of_the_host_may_enter_an_image_whatever_the_umask_is(images: OciImages) -> None:
    before = os.umask(0o077)
    try:
        images.load(image("a:1"))
    finally:
        os.umask(before)
    rootfs = found(images, "a:1").rootfs
    assert [path.stat().st_mode & 0o777 for path in (rootfs, *rootfs.parents[:3])] == [0o755] * 3 + [0o700]


def test_an_image_is_on_the_disk_before_it_has_its_place(
    images: OciImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that writes to the disk is replaced by one that notes what the store has at that moment."""
    (tmp_path / "sync").write_text(f"#!/bin/sh\nls {tmp_path}/images $2 >{tmp_path}/seen\n")
    (tmp_path / "sync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    images.load(image("a:1"))
    assert (tmp_path / "seen").read_text().split()[2:] == ["image.json", "rootfs"]


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        ([b"no archive"], "the image is broken"),
        ([tar(file("manifest.json", b"[]"))], "the image is broken"),
        ([tar(file("a", b"b"))], "No such file"),
        (saved("a:1", [file("a"), file("a/b")]), "'a/b': File exists"),
        (saved("a:1", [file("proc")]), "'proc': File exists"),
        (saved("a:1", [], Env=["A"]), "the image is broken"),
        (saved("a:1", [], Labels=["A"]), "the image is broken"),
        (saved("a:1", [file("a")], architecture="s390x"), "it is for linux on s390x, and this is linux on "),
    ],
    ids=["junk", "no image", "no list", "below a file", "no folder", "environment", "labels", "architecture"],
)
def test_a_broken_image_is_refused_and_leaves_nothing(
    images: OciImages, tmp_path: Path, archive: Iterator[bytes], says: str
) -> None:
    with pytest.raises(ImageBuildFailed, match=f"The store could not take the image.*{says}"):
        images.load(iter(archive))
    assert [list((tmp_path / name).iterdir()) for name in ("images", "names")] == [[], []]


def test_layers_that_are_not_those_of_the_configuration_are_refused(
    images: OciImages, tmp_path: Path
) -> None:
    whole = b"".join(image("a:1", b"right"))
    with pytest.raises(ImageBuildFailed, match="its layers are not those that its configuration names"):
        images.load(iter([whole.replace(b"right", b"wrong")]))


def test_a_full_disk_leaves_nothing_and_says_what_to_try(images: OciImages, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        unavailable("Only root can mount a small disk.")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=True)
    try:
        with pytest.raises(ImageBuildFailed, match=r"No space left on device.*cellblock images prune"):
            images.load(image("a:1", bytes(2 << 20)))
        assert list((tmp_path / "images").iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_store_that_can_not_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageBuildFailed, match=r"Not a directory.*this user may write to CELLBLOCK_STORE"):
        OciImages(Store(tmp_path / "file" / "store")).load(image("a:1"))


def test_a_runtime_gets_its_local_build_and_the_named_image_before_it(
    images: OciImages, store: Store
) -> None:
    with pytest.raises(
        ImageMissing, match=r"Try: cellblock images pull bash; .* cellblock images build bash"
    ):
        store.choose(BASH)
    images.load(image(BASH.local_image, b"local"))
    assert store.choose(BASH).name == BASH.local_image
    images.load(image(BASH.image, b"named"))
    assert store.choose(BASH).name == BASH.image


@pytest.mark.parametrize(
    "pin", [f"bash@sha256:{'a' * 64}", f"bash:5@sha256:{'a' * 64}", f"sha256:{'a' * 64}"]
)
def test_the_local_build_does_not_stand_in_for_a_pinned_image(
    images: OciImages, store: Store, pin: str
) -> None:
    images.load(image(BASH.local_image))
    with pytest.raises(ImageMissing, match=r"no other image replaces one.*cellblock images pull bash"):
        store.choose(BASH.model_copy(update={"image": pin}))


def test_an_image_that_calls_itself_by_another_digest_is_not_taken_for_the_pinned_one(
    images: OciImages,
) -> None:
    images.load(image(f"bash@sha256:{'a' * 64}"))
    assert images.find(f"bash@sha256:{'a' * 64}") is None


def test_an_image_may_be_pinned_by_its_id(images: OciImages, store: Store) -> None:
    images.load(image("a:1"))
    image_id = found(images, "a:1").id
    assert store.choose(BASH.model_copy(update={"image": image_id})).id == image_id


def test_a_name_whose_file_is_broken_names_no_image(images: OciImages, tmp_path: Path) -> None:
    images.load(image("a:1"))
    (tmp_path / "names" / "a%3A1").write_text("{")
    assert images.find("a:1") is None
    images.load(image("a:1"))
    assert text_of(found(images, "a:1")) == "hi"
