"""The images of a Docker engine."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from sandbox.engines.docker.client import mapped_errors
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.docker.image_pull import pull_image
from sandbox.engines.image import KEY_LABEL
from sandbox.errors import EngineFailed, ImageBuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import docker

    from sandbox.engines.image import Image
    from sandbox.images.progress import Progress

__all__ = ["DockerImages", "speaking"]


class DockerImages:
    """The images of the engine at the other end of `client`."""

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client

    def architecture(self) -> str:
        """The engine's architecture, in Docker's spelling."""
        return str(self._client.version()["Arch"])

    def find(self, name: str) -> Image | None:
        """The image of this name or id, if the engine has it."""
        return find_image(self._client, name)

    def load(self, archive: Iterator[bytes]) -> None:
        """Send a docker-archive; the engine tags the image only once it has all of it."""
        events: Iterator[dict[str, Any]] = self._client.load_image(archive)  # type: ignore[no-untyped-call]
        # Read to the end, even after an error: the SDK gives the connection back only then.
        errors = [event["error"] for event in events if "error" in event]
        if errors:
            raise ImageBuildFailed(
                f"Docker could not load the image ({errors[0]}); see that its disk is not full."
            )

    def pull(self, name: str, progress: Progress) -> None:
        """Let the engine pull the image; each layer is a step."""
        for one in pull_image(self._client, name):
            progress(one.layer, one.done_bytes, one.total_bytes)

    def discard(self, image: Image) -> None:
        """Remove an image that cellblock has built and whose tag is gone. An image in use stays."""
        with suppress(APIError):
            now = self._client.inspect_image(image.id)  # type: ignore[no-untyped-call]
            if KEY_LABEL in image.labels and not now["RepoTags"]:
                self._client.remove_image(image.id)

    def prune(self, keep: Collection[str] | None = None) -> int:
        """Remove the images that cellblock has built and that have no name, unless a container uses them."""
        if keep is not None:
            raise EngineFailed("Names in Docker may be anybody's. Try: docker image prune --all")
        with mapped_errors("remove images that nobody uses"):
            unused = {"dangling": True, "label": KEY_LABEL}
            done: dict[str, Any] = self._client.prune_images(unused)  # type: ignore[no-untyped-call]
        return int(done["SpaceReclaimed"])


@contextmanager
def speaking() -> Iterator[None]:
    """Turn errors of the engine, or of the connection to it, into ImageBuildFailed."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise ImageBuildFailed(
            f"Docker refused ({error}); see that `docker info` works, then build again."
        ) from error
