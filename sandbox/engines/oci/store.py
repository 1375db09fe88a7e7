"""The images on this host: root file systems by their digest, which all cells share read-only."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.errors import ImageBuildFailed, ImageMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config import Runtime

__all__ = ["Store", "StoredImage"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}
# A cell has its own file systems at these paths. The folders must exist, because the root is read-only.
_MOUNT_POINTS = ("proc", "dev", "sys", "tmp", "workspace")


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the store. `labels` and `env` come from its configuration."""

    name: str
    id: str
    size_bytes: int
    rootfs: Path
    env: Mapping[str, str]
    labels: Mapping[str, str]
    volumes: tuple[str, ...] = ()
    #: Its digest in a registry. An image that was built here has none.
    digest: str | None = None


class Store:
    """A folder of images. Several processes may use it at once, because an image appears in one step."""

    def __init__(self, folder: Path) -> None:
        self._images = folder / "images"
        self._names = folder / "names"

    def find(self, name: str) -> StoredImage | None:
        """The image called `name`, if the store has it."""
        try:
            image = (self._names / quote(name, safe="")).resolve(strict=True)
            about = json.loads((image / "image.json").read_text())
        except FileNotFoundError:
            return None
        return StoredImage(
            name,
            about["id"],
            about["size"],
            image / "rootfs",
            about["env"],
            about["labels"],
            tuple(about["volumes"]),
        )

    def first_of(self, runtime: Runtime) -> StoredImage | None:
        """The image of a runtime, if the store has one."""
        return next(filter(None, map(self.find, runtime.images)), None)

    def choose(self, runtime: Runtime) -> StoredImage:
        """The image of a runtime: the named one if the store has it, else the local build.

        Raises:
            ImageMissing: the store has neither.
        """
        if image := self.first_of(runtime):
            return image
        raise ImageMissing(
            f"The store has no image for {runtime.name}: none of {', '.join(runtime.images)} is here."
            f" Try: cellblock images build {runtime.name}"
        )

    def architecture(self) -> str:
        """The host's architecture, in Docker's spelling."""
        return _ARCHITECTURES.get(platform.machine(), platform.machine())

    def load(self, archive: Iterator[bytes]) -> None:
        """Store the image in an archive as `docker save` writes it, with one layer or several.

        Raises:
            ImageBuildFailed: the archive is malformed, or there is no room.
        """
        self._images.mkdir(parents=True, exist_ok=True)
        self._names.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=self._images) as scratch:
            try:
                self._unpack(archive, Path(scratch))
            except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
                raise ImageBuildFailed(f"The store could not take the image ({error}).") from error

    def _unpack(self, archive: Iterator[bytes], scratch: Path) -> None:
        _extract(archive, scratch)
        (manifest,) = json.loads((scratch / "manifest.json").read_text())
        described = (scratch / manifest["Config"]).read_bytes()
        rootfs = scratch / "image" / "rootfs"
        rootfs.mkdir(parents=True)
        for layer in manifest["Layers"]:
            subprocess.run(
                [
                    "/usr/bin/tar",
                    "--extract",
                    "--numeric-owner",
                    "--same-permissions",
                    "--file",
                    str(scratch / layer),
                ],
                cwd=rootfs,
                check=True,
                capture_output=True,
            )
        self._add_mount_points(rootfs)
        image_id = f"sha256:{hashlib.sha256(described).hexdigest()}"
        about = _about(image_id, json.loads(described), rootfs)
        (rootfs.parent / "image.json").write_text(json.dumps(about))
        kept = self._images / image_id.partition(":")[2]
        with suppress(OSError):  # the store has it already
            rootfs.parent.rename(kept)
        for name in manifest["RepoTags"]:
            self._point(name, kept)

    def _add_mount_points(self, rootfs: Path) -> None:
        for name in _MOUNT_POINTS:
            (rootfs / name).mkdir(exist_ok=True)

    def _point(self, name: str, image: Path) -> None:
        """Make the name point to the image, in one step."""
        link = self._names / quote(name, safe="")
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(os.path.relpath(image, self._names))
        fresh.replace(link)


def _about(image_id: str, described: Mapping[str, Any], rootfs: Path) -> dict[str, Any]:
    config = described.get("config") or {}
    files = (path for path in rootfs.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        "id": image_id,
        "size": sum(path.stat().st_size for path in files),
        "env": dict(one.split("=", 1) for one in config.get("Env") or ()),
        "labels": config.get("Labels") or {},
        "volumes": list(config.get("Volumes") or ()),
    }


def _extract(archive: Iterator[bytes], folder: Path) -> None:
    """Extract an archive with tar. Python before 3.11.4 can't keep the members within the folder."""
    with tempfile.TemporaryFile(dir=folder) as spool:
        spool.writelines(archive)
        spool.seek(0)
        command = ("/usr/bin/tar", "--extract", "--no-same-owner")
        subprocess.run(command, cwd=folder, stdin=spool, check=True, capture_output=True)
