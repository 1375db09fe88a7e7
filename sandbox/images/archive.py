"""Packs a layer into the stream that `docker load` takes."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Final

from sandbox.images.layer import EPOCH, Layer

__all__ = ["ImageConfig", "docker_archive"]

_CHUNK: Final = 1 << 20
_CREATED: Final = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class ImageConfig:
    """The image's metadata; `architecture` is in Docker's spelling."""

    tag: str
    architecture: str
    env: Mapping[str, str]
    labels: Mapping[str, str]


def docker_archive(config: ImageConfig, layer: Layer, tar: IO[bytes]) -> Iterator[bytes]:
    """The archive in pieces of at most 1 MiB; the layer is read from the current position of `tar`."""
    described = _json(_config(config, layer))
    name = f"{hashlib.sha256(described).hexdigest()}.json"
    manifest = _json([{"Config": name, "RepoTags": [config.tag], "Layers": ["layer.tar"]}])
    yield _header("layer.tar", layer.size)
    while chunk := tar.read(_CHUNK):
        yield chunk
    yield _padding(layer.size)
    for path, content in ((name, described), ("manifest.json", manifest)):
        yield _header(path, len(content)) + content + _padding(len(content))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _config(config: ImageConfig, layer: Layer) -> dict[str, object]:
    return {
        "architecture": config.architecture,
        "os": "linux",
        "created": _CREATED,
        "config": {
            "User": "65534:65534",
            "Env": [f"{name}={value}" for name, value in sorted(config.env.items())],
            "Cmd": ["/bin/sh"],
            "WorkingDir": "/workspace",
            "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}"]},
        "history": [{"created": _CREATED, "created_by": "cellblock"}],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _header(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size, header.mtime = size, EPOCH
    # GNU's format has room for layers beyond 8 GiB.
    return header.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
