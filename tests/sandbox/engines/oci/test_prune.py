"""Which images are removed from the store of a host without Docker, and which stay."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import EngineFailed, Sandbox
from sandbox.engines.image import KEY_LABEL
from sandbox.engines.oci.folder_lock import locked
from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.state import CellFolders
from sandbox.engines.oci.store import Store, StoredImage
from tests.programs import run_cli
from tests.saved_image import file, saved
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def images(store: Store) -> OciImages:
    return OciImages(store)


def made(images: OciImages, name: str, text: bytes, **config: Any) -> StoredImage:
    images.load(saved(name, [file("etc/text", text)], **config))
    stored = images.find(name)
    assert stored is not None
    return stored


def cell(store: Store, state: Path, image: StoredImage, owner: str = "one") -> CellFolders:
    """Make the folder of a cell with this image, as the engine does. Gives the folders of its deployment."""
    folders = CellFolders(state, owner)
    folders.prepare()
    with store.held():
        store.note_state(state)
        folders.make("cell", {}, "group", image.id)
    return folders


def test_an_image_that_a_newer_one_has_replaced_goes_and_its_room_is_told(images: OciImages) -> None:
    old, new = made(images, "a:1", b"older"), made(images, "a:1", b"new")
    assert images.prune() >= len(b"older")
    assert (old.rootfs.exists(), new.rootfs.exists()) == (False, True)
    assert images.prune() == 0


def test_an_image_with_two_names_goes_with_the_last_of_them(images: OciImages) -> None:
    old = made(images, "a:1", b"old")
    made(images, "a:2", b"old")
    for name in ("a:1", "a:2"):
        images.prune()
        assert old.rootfs.exists()
        made(images, name, b"new")
    images.prune()
    assert not old.rootfs.exists()


@pytest.mark.parametrize("owner", ["one", "another"])
def test_the_image_of_a_cell_stays_until_the_cell_is_gone(
    images: OciImages, store: Store, tmp_path: Path, owner: str
) -> None:
    old = made(images, "a:1", b"old")
    folders = cell(store, tmp_path / "state", old, owner)
    made(images, "a:1", b"new")
    images.prune()
    assert old.rootfs.exists()
    folders.forget("cell")
    images.prune()
    assert not old.rootfs.exists()


def test_cells_of_every_state_folder_that_shares_the_store_count(
    images: OciImages, store: Store, tmp_path: Path
) -> None:
    olds = [made(images, "a:1", text) for text in (b"1", b"2", b"3")]
    for old, state in zip(olds[:2], ("first", "second"), strict=True):
        cell(store, tmp_path / state, old)
    made(images, "a:1", b"new")
    images.prune()
    assert [old.rootfs.exists() for old in olds] == [True, True, False]


def test_a_state_folder_that_is_gone_hinders_nobody(images: OciImages, store: Store, tmp_path: Path) -> None:
    old = made(images, "a:1", b"old")
    cell(store, tmp_path / "state", old)
    shutil.rmtree(tmp_path / "state")
    made(images, "a:1", b"new")
    images.prune()
    assert not old.rootfs.exists()


def test_nothing_is_removed_while_a_cell_takes_its_image(
    images: OciImages, store: Store, tmp_path: Path
) -> None:
    """The cell has chosen its image, and nothing says so yet. The image's name moves at that moment."""
    old = made(images, "a:1", b"old")
    made(images, "a:2", b"new")
    shutil.copy(tmp_path / "store/names/a%3A2", tmp_path / "store/names/a%3A1")
    pruning = threading.Thread(target=images.prune)
    with store.held():
        pruning.start()
        wait_until(lambda: len(list((tmp_path / "store/images").glob(".new-*"))) == 1, 10, "it has begun")
        store.note_state(tmp_path / "state")
        folders = CellFolders(tmp_path / "state", "one")
        folders.prepare()
        folders.make("cell", {}, "group", old.id)
        assert old.rootfs.exists()
    pruning.join()
    assert old.rootfs.exists()


def test_what_a_killed_process_left_goes_and_what_one_is_making_stays(
    images: OciImages, store: Store, tmp_path: Path
) -> None:
    made(images, "a:1", b"x")
    left = tmp_path / "store/images/.new-left"
    (left / "image").mkdir(parents=True)
    (left / "image/file").write_bytes(bytes(1000))
    with store.scratch() as (scratch, _):
        assert images.prune() == 1000
        assert (left.exists(), scratch.exists()) == (False, True)


def test_a_killed_load_leaves_a_folder_that_is_removed(images: OciImages, tmp_path: Path) -> None:
    program = (
        "import os, pathlib\nfrom sandbox.engines.oci.store import Store\n"
        f"with Store(pathlib.Path({str(tmp_path / 'store')!r})).scratch(): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    assert len(list((tmp_path / "store/images").iterdir())) == 1
    images.prune()
    assert list((tmp_path / "store/images").iterdir()) == []


def test_a_program_that_a_killed_pull_has_started_keeps_its_folder(images: OciImages, tmp_path: Path) -> None:
    made(images, "a:1", b"x")
    folder = tempfile.mkdtemp(prefix=".new-", dir=tmp_path / "store/images")
    with locked(tmp_path / "store/images" / folder) as lock:
        heir = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock])
    images.prune()
    assert (tmp_path / folder).exists()
    heir.communicate()
    images.prune()
    assert not (tmp_path / folder).exists()


def test_a_build_removes_what_it_has_replaced_but_no_other_image(
    images: OciImages, store: Store, tmp_path: Path
) -> None:
    olds = [
        made(images, "a:1", text, Labels={label: "1"}) for text, label in ((b"1", KEY_LABEL), (b"2", "other"))
    ]
    used = made(images, "a:1", b"3", Labels={KEY_LABEL: "1"})
    cell(store, tmp_path / "state", used)
    named = made(images, "a:1", b"4", Labels={KEY_LABEL: "1"})
    for image in (*olds, used, named):
        images.discard(image)
    assert [image.rootfs.exists() for image in (*olds, used, named)] == [False, True, True, True]


def test_the_files_of_a_running_cell_stay(
    oci_settings: dict[str, Any], engine: docker.APIClient, open_folder: Path
) -> None:
    """The engine itself says which image its cells use."""
    own = oci_settings | {"store": open_folder}
    images = OciImages(Store(open_folder))
    images.load(engine.get_image("cellblock/bash:local"))
    with Sandbox(load_settings(**own, warm="0,bash=1")) as box:
        assert box.warm_up(30)
        made(images, "cellblock/bash:local", b"new")
        images.prune()
        result = box.run("sed --version | head -c 3", "bash")
    assert (result.warm, result.stdout) == (True, "sed")
    assert images.prune() > 1 << 20


def test_names_that_the_catalogue_does_not_have_go_only_if_told_to(images: OciImages, tmp_path: Path) -> None:
    """Such is the image of an earlier pin, when the catalogue has a new one."""
    earlier, local = made(images, "x/bash:old", b"1"), made(images, "cellblock/bash:local", b"2")
    settings = {"CELLBLOCK_ENGINE": "oci", "CELLBLOCK_STORE": str(tmp_path / "store")}
    for options, then in (((), True), (("--all",), False)):
        assert run_cli("images", "prune", *options, **settings).returncode == 0
        assert (earlier.rootfs.exists(), local.rootfs.exists()) == (then, True)
    assert images.find("x/bash:old") is None


def test_a_store_that_this_user_can_not_change_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineFailed, match=r"The store could not be tidied \(Not a directory\)"):
        OciImages(Store(tmp_path / "file" / "x")).prune()


def test_the_command_says_how_much_room_it_has_freed(images: OciImages, tmp_path: Path) -> None:
    made(images, "a:1", bytes(1 << 20))
    made(images, "a:1", b"new")
    settings = {"CELLBLOCK_ENGINE": "oci", "CELLBLOCK_STORE": str(tmp_path / "store")}
    done = run_cli("images", "prune", **settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "cellblock: freed 1 MiB\n")
    assert run_cli("images", "prune", "--quiet", **settings).stderr == ""
