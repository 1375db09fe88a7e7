"""Small images for tests, in the format of `docker save`, made from a list of the entries of each layer."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.store import Store

__all__ = ["Entry", "device", "file", "folder", "hard_link", "link", "saved", "tar"]

#: One entry of a tar archive, and its content.
Entry = tuple[tarfile.TarInfo, bytes]

ARCHITECTURE = OciImages(Store.__new__(Store)).architecture()


def file(path: str, content: bytes = b"", **about: Any) -> Entry:
    return _entry(path, tarfile.REGTYPE, size=len(content), **{"mode": 0o644} | about), content


def folder(path: str, mode: int = 0o755) -> Entry:
    return _entry(path, tarfile.DIRTYPE, mode=mode), b""


def link(path: str, target: str) -> Entry:
    return _entry(path, tarfile.SYMTYPE, linkname=target), b""


def hard_link(path: str, target: str) -> Entry:
    return _entry(path, tarfile.LNKTYPE, linkname=target), b""


def device(path: str, kind: bytes = tarfile.BLKTYPE) -> Entry:
    return _entry(path, kind, mode=0o666, devmajor=8), b""


def tar(*entries: Entry) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for about, content in entries:
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def saved(
    name: str, *layers: list[Entry], architecture: str = ARCHITECTURE, **config: Any
) -> Iterator[bytes]:
    """An image with these layers, lowest first, in pieces of 1000 bytes."""
    tars = [tar(*entries) for entries in layers]
    about = {
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_hex(layer)}" for layer in tars]},
    }
    described = json.dumps(about).encode()
    files = {f"{number}.tar": layer for number, layer in enumerate(tars)}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": list(files)}]
    files |= {"config.json": described, "manifest.json": json.dumps(manifest).encode()}
    whole = tar(*(file(path, content) for path, content in files.items()))
    yield from (whole[start : start + 1000] for start in range(0, len(whole), 1000))


def _entry(path: str, kind: bytes, **about: Any) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type = kind
    for name, value in about.items():
        setattr(entry, name, value)
    return entry


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
