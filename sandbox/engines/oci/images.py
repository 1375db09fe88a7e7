"""The images of the engine `oci`: how they get into its store, and how they are removed."""

from __future__ import annotations

import io
import platform
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sandbox.engines.image import KEY_LABEL
from sandbox.engines.oci.contents import Contents, ImageConfig, from_archive, from_folder
from sandbox.engines.oci.layer import make_folder, unpack_layer
from sandbox.engines.oci.registry import Registry
from sandbox.engines.oci.store import size_of
from sandbox.errors import EngineFailed, ImageBuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from sandbox.engines.image import Image
    from sandbox.engines.oci.store import Store, StoredImage
    from sandbox.images.progress import Progress

__all__ = ["OciImages"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}
# A cell has its own file systems at these paths. The folders must exist, because the root is read-only.
_MOUNT_POINTS = ("proc", "dev", "sys", "tmp", "workspace")
_MALFORMED = (tarfile.TarError, LookupError, TypeError, ValueError, OverflowError)


class OciImages:
    """The images in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def architecture(self) -> str:
        """The host's architecture, in Docker's spelling."""
        return _ARCHITECTURES.get(platform.machine(), platform.machine())

    def find(self, name: str) -> StoredImage | None:
        """The image of this name or id, if the store has it."""
        return self._store.find(name)

    def load(self, archive: Iterator[bytes]) -> None:
        """Store the image in an archive as `docker save` writes it.

        Raises:
            ImageBuildFailed: the archive is malformed, or there is no room.
        """
        refused = _refused(ImageBuildFailed, "The store could not take the image")
        with refused, self._store.scratch() as (scratch, _):
            contents, names = from_archive(io.BufferedReader(_Pieces(archive)), scratch)
            self._take(contents, dict.fromkeys(names), scratch, lambda *_: None)

    def pull(self, name: str, progress: Progress) -> None:
        """Get an image from its registry with skopeo. What is here already is not fetched again.

        Raises:
            EngineFailed: no skopeo, or the registry or the store failed; the store is as it was.
        """
        registry, refused = Registry(name), _refused(EngineFailed, f"The store could not take {name}")
        with refused, self._store.scratch() as (scratch, lock), self._store.pulling():
            progress("ask", 0, 0)
            digest = registry.digest()
            if not self._store.add_name(name, digest, scratch):
                progress("download", 0, 0)
                registry.download(digest, scratch / "download", lock)
                self._take(from_folder(scratch / "download"), {name: digest}, scratch, progress)

    def discard(self, image: Image) -> None:
        """Remove an image that cellblock has built, unless it has a name or a cell uses it."""
        if KEY_LABEL in image.labels:
            self._store.remove_unused([image.id])

    def prune(self, keep: Collection[str] | None = None) -> int:
        """Remove what has no name and no cell; with `keep`, after all other names."""
        with _refused(EngineFailed, "The store could not be tidied"):
            return self._store.remove_unused(keep=keep)

    def _take(
        self, contents: Contents, names: Mapping[str, str | None], scratch: Path, progress: Progress
    ) -> None:
        config = contents.checked()
        if (config.os, config.architecture) != ("linux", self.architecture()):
            raise ValueError(
                f"it is for {config.os} on {config.architecture}, and this is linux on {self.architecture()}"
            )
        rootfs = scratch / "image" / "rootfs"
        rootfs.mkdir(parents=True)
        for folder in (rootfs.parent, rootfs):
            folder.chmod(0o755)
        for done, layer in enumerate(contents.layers):
            progress("unpack", done, len(contents.layers))
            with layer.open("rb") as file:
                unpack_layer(file, rootfs)
        progress("unpack", len(contents.layers), len(contents.layers))
        for path in (*_MOUNT_POINTS, *(config.container.volumes or ())):
            make_folder(rootfs, path)
        self._store.add(rootfs.parent, names, contents.id, _about(config, rootfs))


def _about(config: ImageConfig, rootfs: Path) -> dict[str, Any]:
    container = config.container
    return {
        "size": size_of(rootfs),
        "env": dict(one.split("=", 1) for one in container.env or ()),
        "labels": container.labels or {},
        "volumes": list(container.volumes or ()),
    }


@contextmanager
def _refused(kind: type[Exception], says: str) -> Iterator[None]:
    """Turn what a broken image or a full disk raises into one sentence."""
    try:
        yield
    except OSError as error:
        raise kind(
            f"{says} ({error.strerror}). Try: see that this user may write to CELLBLOCK_STORE and that its"
            " disk has room; cellblock images prune makes some."
        ) from error
    except _MALFORMED as error:
        raise kind(f"{says}: the image is broken ({_first_line(error)}). Try: make it again.") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  a writable buffer
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)
