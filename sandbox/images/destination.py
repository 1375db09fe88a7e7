"""Where a built image goes: a Docker engine, or the store of the engine `oci`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from sandbox.errors import ImageBuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engines.oci.store import Store

__all__ = [
    "KEY_LABEL",
    "RECIPE_LABEL",
    "Destination",
    "DockerDestination",
    "PresentImage",
    "StoreDestination",
    "speaking",
]

KEY_LABEL: Final = "cellblock.recipe"
RECIPE_LABEL: Final = "cellblock.recipe.digest"


@dataclass(frozen=True)
class PresentImage:
    """An image that is there: its ID, its size in bytes, and what it was built from."""

    image_id: str
    size: int
    key: str | None
    recipe: str | None


class Destination(Protocol):
    """What takes images."""

    def architecture(self) -> str:
        """The architecture of its host, in Docker's spelling."""

    def find(self, name: str) -> PresentImage | None:
        """The image of this tag or ID, if there is one."""

    def load(self, archive: Iterator[bytes]) -> None:
        """Take a docker-archive. Its tag points at the image only once all of it is there."""

    def discard(self, image: PresentImage) -> None:
        """Remove an image that cellblock has built and whose tag is gone. An image in use stays."""


class DockerDestination:
    """A Docker engine."""

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client

    def architecture(self) -> str:
        """The engine's architecture, in Docker's spelling."""
        return str(self._client.version()["Arch"])

    def find(self, name: str) -> PresentImage | None:
        """The image of this tag or ID, if there is one."""
        try:
            image: dict[str, Any] = self._client.inspect_image(name)  # type: ignore[no-untyped-call]
        except NotFound:
            return None
        return _present(image["Id"], image["Size"], (image.get("Config") or {}).get("Labels") or {})

    def load(self, archive: Iterator[bytes]) -> None:
        """Send a docker-archive; the engine tags the image only once it has all of it."""
        events: Iterator[dict[str, Any]] = self._client.load_image(archive)  # type: ignore[no-untyped-call]
        # Read to the end, even after an error: the SDK gives the connection back only then.
        errors = [event["error"] for event in events if "error" in event]
        if errors:
            raise ImageBuildFailed(
                f"Docker could not load the image ({errors[0]}); see that its disk is not full."
            )

    def discard(self, image: PresentImage) -> None:
        """Remove an image that cellblock has built and whose tag is gone. An image in use stays."""
        with suppress(APIError):
            now = self._client.inspect_image(image.image_id)  # type: ignore[no-untyped-call]
            if image.key and not now["RepoTags"]:
                self._client.remove_image(image.image_id)


class StoreDestination:
    """The store of the engine `oci`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.architecture = store.architecture
        self.load = store.load

    def find(self, name: str) -> PresentImage | None:
        """The image of this tag, if there is one."""
        image = self._store.find(name)
        return _present(image.id, image.size_bytes, image.labels) if image else None

    def discard(self, image: PresentImage) -> None:
        """Keep it: cells may still run from its files."""


@contextmanager
def speaking() -> Iterator[None]:
    """Turn errors of the engine, or of the connection to it, into ImageBuildFailed."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise ImageBuildFailed(
            f"Docker refused ({error}); see that `docker info` works, then build again."
        ) from error


def _present(image_id: str, size: int, labels: Mapping[str, str]) -> PresentImage:
    return PresentImage(image_id, size, labels.get(KEY_LABEL), labels.get(RECIPE_LABEL))
