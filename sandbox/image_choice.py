"""Which image a runtime's cells are made from: the named one if the engine has it, else the local build."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker
import docker.errors

from sandbox.docker_client import mapped_errors
from sandbox.errors import ImageMissing
from sandbox.image_name import split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config import Runtime

__all__ = ["Image", "ImageChoice", "find_image"]

# How long a choice holds before the engine is asked again, so that a pulled image comes into use.
_HOLD_S = 60.0


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has; `volumes` are the paths that it declares as such.

    `digest` is what its registry knows it by; an image that was built here has none.
    """

    name: str
    id: str
    size_bytes: int
    volumes: tuple[str, ...]
    digest: str | None = None


def find_image(client: docker.APIClient, name: str) -> Image | None:
    """The image called `name`, if the engine has it; nothing is pulled."""
    with mapped_errors("look for an image"):
        try:
            found = client.inspect_image(name)  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            return None
    volumes = (found.get("Config") or {}).get("Volumes") or {}
    return Image(
        name, found["Id"], found["Size"], tuple(volumes), _digest(found.get("RepoDigests") or (), name)
    )


def _digest(known: Iterable[str], name: str) -> str | None:
    """Of the repository that `name` is in, if the image was pulled from several."""
    repository, _ = split_name(name.partition("@")[0])
    digests = dict(one.partition("@")[::2] for one in known)
    return digests.get(repository) or next(iter(digests.values()), None)


class ImageChoice:
    """Remembers, for one process, which image stands for which runtime."""

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client
        self._chosen: dict[str, tuple[float, Image]] = {}

    def choose(self, runtime: Runtime) -> Image:
        """The image for `runtime`.

        Raises:
            ImageMissing: when the engine has neither the named image nor the local build.
        """
        until, image = self._chosen.get(runtime.name, (0.0, None))
        if image is None or until < time.monotonic():
            image = self._look(runtime)
            self._chosen[runtime.name] = (time.monotonic() + _HOLD_S, image)
        return image

    def forget(self, runtime: Runtime) -> None:
        """Ask the engine anew next time: the image has gone."""
        self._chosen.pop(runtime.name, None)

    def _look(self, runtime: Runtime) -> Image:
        image = find_image(self._client, runtime.image) or find_image(self._client, runtime.local_image)
        if image is None:
            raise ImageMissing(
                f"The engine has no image for {runtime.name}: neither {runtime.image} nor"
                f" {runtime.local_image}. Try: cellblock images pull {runtime.name}; or without a"
                f" registry: cellblock images build {runtime.name}"
            )
        return image
