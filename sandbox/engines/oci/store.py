"""The images on this host: root file systems by their digest, which all cells share read-only.

images/<digest>/rootfs      the files of an image
images/<digest>/image.json  what its cells need to know of it
images/.new-…               what is in the making, or being removed
names/<name>                which image has this name, and its digest in its registry
states/<number>             a link to a state folder, whose cells may use these images
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sandbox.engines.image import Image, first_of, no_image
from sandbox.engines.oci.folder_lock import is_locked, locked
from sandbox.engines.oci.state import images_in_use
from sandbox.errors import ImageMissing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from config import Runtime

__all__ = ["Store", "StoredImage", "size_of"]

_NEW = ".new-"
_SYNC = ("sync", "--file-system")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage(Image):
    """An image in the store, with the folder of its files and the environment that it sets."""

    rootfs: Path
    env: Mapping[str, str]


class Store:
    """A folder of images. Several processes may use it at once, because an image appears in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images = folder / "images"
        self._names = folder / "names"
        self._states = folder / "states"

    def find(self, name: str) -> StoredImage | None:
        """The image of this name or id, if the store has it. For a name with a digest, it is that image."""
        entry = {"image": name} if name.startswith("sha256:") else self._entry(name)
        pin = name.partition("@")[2]
        if entry is None or (pin and entry["digest"] != pin):
            return None
        image = self._folder_of(entry["image"])
        about = _read(image / "image.json")
        if about is None:
            return None
        return StoredImage(
            name=name,
            id=entry["image"],
            size_bytes=about["size"],
            volumes=tuple(about["volumes"]),
            labels=about["labels"],
            digest=entry.get("digest"),
            rootfs=image / "rootfs",
            env=about["env"],
        )

    def choose(self, runtime: Runtime) -> StoredImage:
        """The image of a runtime: the named one if the store has it, else the local build.

        Raises:
            ImageMissing: the store has neither.
        """
        if image := first_of(self.find, runtime):
            return image
        says, mend = no_image(runtime)
        raise ImageMissing(f"The store has no image for {runtime.name}: {says}. Try: {mend}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody remove an image meanwhile. A cell finds and notes its image in such a block."""
        with locked(self._images, shared=True) if self._images.is_dir() else nullcontext():
            yield

    def note_state(self, state: Path) -> None:
        """Note where the cells of a worker are, so that the images which they use are not removed."""
        link = self._states / hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
        if not link.is_symlink():
            with suppress(FileExistsError):
                link.symlink_to(state.absolute())

    @contextmanager
    def scratch(self) -> Iterator[tuple[Path, int]]:
        """A new folder in the store, and its lock. At the end the folder is removed with all that is in it.

        If this process is killed, `prune` removes it once no process has the lock.
        """
        for folder in (self._folder, self._images, self._names, self._states):
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
                folder.chmod(0o755)  # cells enter it
        with ExitStack() as stack:
            with self.held():
                folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._images))
                lock = stack.enter_context(locked(folder))
            stack.callback(shutil.rmtree, folder)
            yield folder, lock

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Let one process pull at a time: what another one wants too is there when its turn comes."""
        with locked(self._names):
            yield

    def add(
        self, image: Path, names: Mapping[str, str | None], image_id: str, about: Mapping[str, Any]
    ) -> None:
        """Take the image in a folder of a scratch folder: all of it or nothing.

        `names` are its names, each with its digest in its registry, if it has one.

        Raises:
            OSError: there is no room.
        """
        (image / "image.json").write_text(json.dumps(about))
        _write_to_disk(image)
        with locked(self._images):
            if not self._folder_of(image_id).exists():
                image.rename(self._folder_of(image_id))
            for name, digest in names.items():
                self._point(name, image_id, digest, image.parent)

    def add_name(self, name: str, digest: str, scratch: Path) -> bool:
        """Give a name to the image that is here under this digest already. Returns whether there is one."""
        with locked(self._images):
            for entry in self._entries():
                if entry["digest"] == digest and self._folder_of(entry["image"]).exists():
                    self._point(name, entry["image"], digest, scratch)
                    return True
        return False

    def remove_unused(self, among: Iterable[str] | None = None, keep: Collection[str] | None = None) -> int:
        """Remove the images that have no name and no cell, and what was left half made. Returns its bytes.

        With `among`, only images of these ids are removed. With `keep`, all other names are removed first.
        """
        chosen = None if among is None else {self._folder_of(one) for one in among}
        with self.scratch() as (trash, _):
            with locked(self._images):
                for name in self._names.iterdir():
                    if keep is not None and unquote(name.name) not in keep:
                        name.unlink()
                for folder in self._unused():
                    if chosen is None or folder in chosen:
                        with suppress(FileNotFoundError):
                            folder.rename(trash / folder.name)
            return size_of(trash)

    def _point(self, name: str, image_id: str, digest: str | None, scratch: Path) -> None:
        """Make the name point to an image that is here, in one step."""
        fresh = scratch / "name"
        fresh.write_text(json.dumps({"image": image_id, "digest": digest}))
        fresh.replace(self._names / quote(name, safe=""))

    def _unused(self) -> list[Path]:
        named = {entry["image"] for entry in self._entries()}
        of_cells = {image for state in self._states.iterdir() for image in images_in_use(state)}
        used = {self._folder_of(image) for image in named | of_cells}
        return [
            folder
            for folder in self._images.iterdir()
            if (not is_locked(folder) if folder.name.startswith(_NEW) else folder not in used)
        ]

    def _entries(self) -> Iterator[dict[str, Any]]:
        return filter(None, map(_read, self._names.iterdir()))

    def _entry(self, name: str) -> dict[str, Any] | None:
        return _read(self._names / quote(name, safe=""))

    def _folder_of(self, image_id: str) -> Path:
        return self._images / image_id.partition(":")[2]


def size_of(folder: Path) -> int:
    """The bytes of all files in the folder. A file with several names counts once."""
    found = (Path(at, name).lstat() for at, _, names in os.walk(folder) for name in names)
    files = {(one.st_dev, one.st_ino): one.st_size for one in found if stat.S_ISREG(one.st_mode)}
    return sum(files.values())


def _write_to_disk(folder: Path) -> None:
    """Write all files to the disk: a host that loses its power has either all of an image or nothing.

    Raises:
        OSError: there is no room.
    """
    if subprocess.run((*_SYNC, str(folder)), check=False).returncode:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def _read(file: Path) -> dict[str, Any] | None:
    """The object in a file; None if the file is not there, or its writer was killed."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
