"""The images on a host without Docker: how they are stored, and that a broken one leaves nothing."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue
from sandbox import ImageBuildFailed, ImageMissing
from sandbox.engines.oci.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASH = load_catalogue()["bash"]


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def saved(name: str, text: bytes, **config: Any) -> Iterator[bytes]:
    """An image in the format of `docker save`, in pieces of 1000 bytes."""
    described = json.dumps({"config": config, "text": text.decode()}).encode()
    digest = hashlib.sha256(described).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    whole = tar(
        {
            "layer.tar": tar({"etc/text": text}),
            f"{digest}.json": described,
            "manifest.json": json.dumps(manifest).encode(),
        }
    )
    yield from (whole[start : start + 1000] for start in range(0, len(whole), 1000))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_an_image_is_found_by_its_name_with_what_it_says(store: Store) -> None:
    store.load(saved("a/b:c", b"hi", Env=["PATH=/bin", "A=b=c"], Labels={"k": "v"}, Volumes={"/data": {}}))
    image = store.find("a/b:c")
    assert image is not None
    assert (image.rootfs / "etc/text").read_bytes() == b"hi"
    assert (image.env, image.labels, image.volumes) == ({"PATH": "/bin", "A": "b=c"}, {"k": "v"}, ("/data",))
    assert image.size_bytes == 2
    assert {path.name for path in image.rootfs.iterdir()} >= {"proc", "dev", "sys", "tmp", "workspace"}


def test_a_name_moves_to_the_newest_image_and_the_older_one_stays_for_its_cells(store: Store) -> None:
    store.load(saved("a:1", b"old"))
    old = store.find("a:1")
    store.load(saved("a:1", b"new"))
    new = store.find("a:1")
    assert old is not None
    assert new is not None
    assert ((new.rootfs / "etc/text").read_bytes(), (old.rootfs / "etc/text").read_bytes()) == (
        b"new",
        b"old",
    )


def test_an_image_that_is_here_already_is_taken_again(store: Store) -> None:
    for name in ("a:1", "a:2", "a:1"):
        store.load(saved(name, b"same"))
    first, second = store.find("a:1"), store.find("a:2")
    assert first is not None
    assert second is not None
    assert first.rootfs == second.rootfs


@pytest.mark.parametrize(
    "archive",
    [[b"no archive"], [tar({"manifest.json": b"[]"})], [tar({"a": b"b"})]],
    ids=["junk", "none", "no list"],
)
def test_a_broken_archive_is_refused_and_leaves_nothing(
    store: Store, tmp_path: Path, archive: list[bytes]
) -> None:
    with pytest.raises(ImageBuildFailed, match="The store could not take the image"):
        store.load(iter(archive))
    assert list((tmp_path / "images").iterdir()) == []
    assert list((tmp_path / "names").iterdir()) == []


def test_a_runtime_gets_its_local_build_and_the_named_image_before_it(store: Store) -> None:
    with pytest.raises(ImageMissing, match="Try: cellblock images build bash"):
        store.choose(BASH)
    store.load(saved(BASH.local_image, b"local"))
    assert store.choose(BASH).name == BASH.local_image
    store.load(saved(BASH.image, b"named"))
    assert store.choose(BASH).name == BASH.image
