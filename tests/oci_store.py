"""A store of images for the engine oci, which all processes of a test run share."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import docker

__all__ = ["name_store", "remove_store", "shared_store"]

_VARIABLE = "TEST_STORE"


def name_store() -> bool:
    """Choose the folder of this run's store, unless the parent process has. Whether it was chosen here."""
    if _VARIABLE in os.environ:
        return False
    # Every user may enter this folder: to the host, a cell's user is one that owns nothing.
    os.environ[_VARIABLE] = f"/var/tmp/cellblock-store-{secrets.token_hex(6)}"
    return True


def remove_store() -> None:
    """Remove the store, if any process has made it."""
    shutil.rmtree(os.environ.pop(_VARIABLE), ignore_errors=True)


def shared_store(client: docker.APIClient, runtimes: Iterable[str]) -> Path:
    """The folder of the store. It has the local images of these runtimes, from the container engine."""
    folder = Path(os.environ[_VARIABLE])
    folder.mkdir(mode=0o755, exist_ok=True)
    images = OciImages(Store(folder))
    with _locked(folder):
        for name in runtimes:
            if images.find(f"cellblock/{name}:local") is None:
                images.load(client.get_image(f"cellblock/{name}:local"))
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
