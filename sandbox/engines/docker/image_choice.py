"""Chooses the image for a runtime's cells: the named one if the engine has it, else the local build.

For an image that is named by its digest, no other image is ever used.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
from docker.utils import parse_repository_tag

from sandbox.engines.docker.client import mapped_errors
from sandbox.engines.image import Image, first_of, no_image
from sandbox.errors import ImageMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config import Runtime

__all__ = ["ImageChoice", "choose_image", "find_image", "read_image", "split_name"]

# How long a choice holds before the engine is asked again, so that a pulled image comes into use.
_HOLD_S = 60.0


def split_name(name: str) -> tuple[str, str]:
    """The repository in an image's name, and the tag or digest."""
    repository, tag = parse_repository_tag(name)
    return repository, tag or "latest"


def find_image(client: docker.APIClient, name: str) -> Image | None:
    """The image called `name`, if the engine has it; nothing is pulled."""
    with mapped_errors("look for an image"):
        try:
            found = client.inspect_image(name)  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            return None
    return read_image(found, name)


def choose_image(client: docker.APIClient, runtime: Runtime) -> Image | None:
    """The image that `runtime` has on this engine, if it has any."""
    return first_of(partial(find_image, client), runtime)


def read_image(found: Mapping[str, Any], name: str) -> Image | None:
    """What the engine says of the image called `name`; None if it does not have the digest in `name`."""
    known = found.get("RepoDigests") or ()
    _, is_pinned, pin = name.partition("@")
    if is_pinned and pin not in (one.partition("@")[2] for one in known):
        return None
    config = found.get("Config") or {}
    volumes, labels = tuple(config.get("Volumes") or ()), config.get("Labels") or {}
    return Image(name, found["Id"], found["Size"], volumes, labels, _digest(known, name))


def _digest(known: Iterable[str], name: str) -> str | None:
    """The image's digest; if it was pulled from several repositories, that of the repository in `name`."""
    repository, _ = split_name(name.partition("@")[0])
    digests = dict(one.partition("@")[::2] for one in known)
    return digests.get(repository) or next(iter(digests.values()), None)


class ImageChoice:
    """Remembers, for one process, which image stands for which runtime."""

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client
        self._chosen: dict[tuple[str, ...], tuple[float, Image]] = {}

    def choose(self, runtime: Runtime) -> Image:
        """The image for `runtime`.

        Raises:
            ImageMissing: when the engine has neither the named image nor the local build.
        """
        until, image = self._chosen.get(runtime.images, (0.0, None))
        if image is None or until < time.monotonic():
            image = choose_image(self._client, runtime)
            if image is None:
                says, mend = no_image(runtime)
                raise ImageMissing(f"The engine has no image for {runtime.name}: {says}. Try: {mend}")
            self._chosen[runtime.images] = (time.monotonic() + _HOLD_S, image)
        return image

    def forget(self, runtime: Runtime) -> None:
        """Ask the engine again next time, because the image has been removed."""
        self._chosen.pop(runtime.images, None)
