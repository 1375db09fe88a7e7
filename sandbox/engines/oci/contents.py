"""What an image consists of: its configuration and its layers, as skopeo and `docker save` write them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from sandbox.engines.oci.layer import unpack_layer

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

__all__ = ["Contents", "ImageConfig", "from_archive", "from_folder"]


class _Container(BaseModel):
    env: list[str] | None = Field(default=None, alias="Env")
    labels: dict[str, str] | None = Field(default=None, alias="Labels")
    volumes: dict[str, object] | None = Field(default=None, alias="Volumes")


class _RootFs(BaseModel):
    diff_ids: list[str]


class ImageConfig(BaseModel):
    """The parts of an image's configuration that are used here."""

    architecture: str
    os: str
    rootfs: _RootFs
    config: _Container | None = None

    @property
    def container(self) -> _Container:
        """What the image says about its containers."""
        return self.config or _Container()


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of an image: its configuration, and its layers as uncompressed tar archives, lowest first."""

    described: bytes
    layers: tuple[Path, ...]

    @property
    def id(self) -> str:
        """The image's id. It stands for all contents, because the configuration has the layers' digests."""
        return f"sha256:{hashlib.sha256(self.described).hexdigest()}"

    def checked(self) -> ImageConfig:
        """The configuration.

        Raises:
            ValueError: it is malformed, or the layers are not those that it names.
        """
        config = ImageConfig.model_validate_json(self.described)
        if [_digest(layer) for layer in self.layers] != config.rootfs.diff_ids:
            raise ValueError("its layers are not those that its configuration names")
        return config


def from_archive(archive: IO[bytes], scratch: Path) -> tuple[Contents, list[str]]:
    """The contents and the names of the image in an archive as `docker save` writes it.

    Raises:
        tarfile.TarError, OSError, LookupError, TypeError, ValueError: the archive is malformed.
    """
    # Python before 3.11.4 can't keep an archive within its folder.
    unpack_layer(archive, scratch)
    (manifest,) = json.loads((scratch / "manifest.json").read_text())
    layers = tuple(scratch / name for name in manifest["Layers"])
    return Contents((scratch / manifest["Config"]).read_bytes(), layers), manifest["RepoTags"]


def from_folder(folder: Path) -> Contents:
    """The contents of the image in a folder as skopeo writes it (`dir:`).

    Raises:
        OSError, LookupError, TypeError, ValueError: it is no image of files.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    layers = tuple(folder / _hex(layer["digest"]) for layer in manifest["layers"])
    return Contents((folder / _hex(manifest["config"]["digest"])).read_bytes(), layers)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
