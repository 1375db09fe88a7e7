"""The calls to the Docker engine that a build needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from sandbox.errors import ImageBuildFailed

__all__ = ["KEY_LABEL", "RECIPE_LABEL", "PresentImage", "architecture", "discard", "find", "load", "speaking"]

KEY_LABEL: Final = "cellblock.recipe"
RECIPE_LABEL: Final = "cellblock.recipe.digest"


@dataclass(frozen=True)
class PresentImage:
    """An image that the engine has: its ID, its size in bytes, and what it was built from."""

    image_id: str
    size: int
    key: str | None
    recipe: str | None


@contextmanager
def speaking() -> Iterator[None]:
    """Turn errors of the engine, or of the connection to it, into ImageBuildFailed."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise ImageBuildFailed(
            f"Docker refused ({error}); see that `docker info` works, then build again."
        ) from error


def architecture(client: docker.APIClient) -> str:
    """The engine's architecture, in Docker's spelling."""
    return str(client.version()["Arch"])


def find(client: docker.APIClient, name: str) -> PresentImage | None:
    """The image of this tag or ID, if there is one."""
    try:
        image: dict[str, Any] = client.inspect_image(name)  # type: ignore[no-untyped-call]
    except NotFound:
        return None
    labels = (image.get("Config") or {}).get("Labels") or {}
    return PresentImage(image["Id"], image["Size"], labels.get(KEY_LABEL), labels.get(RECIPE_LABEL))


def load(client: docker.APIClient, archive: Iterator[bytes]) -> None:
    """Send a docker-archive; the engine tags the image only once it has all of it."""
    events: Iterator[dict[str, Any]] = client.load_image(archive)  # type: ignore[no-untyped-call]
    # Read to the end, even after an error: the SDK gives the connection back only then.
    errors = [event["error"] for event in events if "error" in event]
    if errors:
        raise ImageBuildFailed(
            f"Docker could not load the image ({errors[0]}); see that its disk is not full."
        )


def discard(client: docker.APIClient, image: PresentImage) -> None:
    """Remove an image that cellblock has built and whose tag is gone. An image in use stays."""
    with suppress(APIError):
        now = client.inspect_image(image.image_id)  # type: ignore[no-untyped-call]
        if image.key and not now["RepoTags"]:
            client.remove_image(image.image_id)
