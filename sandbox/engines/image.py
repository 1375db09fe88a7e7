"""An image on this host, and what can be done with the images of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from config import Runtime
    from sandbox.images.progress import Progress

__all__ = ["CONTENTS_LABEL", "KEY_LABEL", "RECIPE_LABEL", "Image", "Images", "first_of", "no_image"]

#: The labels of an image that `cellblock images build` has made.
KEY_LABEL: Final = "cellblock.recipe"
RECIPE_LABEL: Final = "cellblock.recipe.digest"
#: What is in such an image, as in "Python 3.11.2".
CONTENTS_LABEL: Final = "cellblock.contents"

AnImage = TypeVar("AnImage", bound="Image")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that cells can be made from; `volumes` are the paths that it declares as volumes.

    `digest` is its digest in its registry; an image that was built here has none.
    """

    name: str
    id: str
    size_bytes: int
    volumes: tuple[str, ...]
    labels: Mapping[str, str]
    digest: str | None


class Images(Protocol):
    """The images of one engine on this host."""

    def architecture(self) -> str:
        """The architecture of the images, in Docker's spelling."""

    def find(self, name: str) -> Image | None:
        """The image of this name or id, if it is here; nothing is pulled."""

    def load(self, archive: Iterator[bytes]) -> None:
        """Take a docker-archive. Its tag points at the image only once all of it is there.

        Raises:
            ImageBuildFailed: the archive is malformed, or there is no room.
        """

    def pull(self, name: str, progress: Progress) -> None:
        """Get the image called `name` from its registry.

        Raises:
            SandboxUnavailable: the registry does not answer, refuses, or has no such image.
        """

    def discard(self, image: Image) -> None:
        """Remove an image that cellblock has built, unless it still has a name or a container uses it."""

    def prune(self, keep: Collection[str] | None = None) -> int:
        """Remove the images that have no name and that no container uses. Returns the bytes that this freed.

        With `keep`, all other names are removed first.

        Raises:
            SandboxUnavailable: the engine failed, or it lets nobody remove its names so.
        """


def first_of(find: Callable[[str], AnImage | None], runtime: Runtime) -> AnImage | None:
    """The image that a runtime's cells get: the first of its names for which there is one."""
    return next(filter(None, map(find, runtime.images)), None)


def no_image(runtime: Runtime) -> tuple[str, str]:
    """Two texts for an error: what is missing if `runtime` has no image, and what to try."""
    pull, build = (
        f"cellblock images pull {runtime.name}",
        f"cellblock images build {runtime.image_of or runtime.name}",
    )
    if runtime.is_built:
        return f"{runtime.image} is not here, and no registry has it", build
    if runtime.is_pinned:
        return f"{runtime.image} is not here, and no other image replaces one with a digest", pull
    return (
        f"neither {runtime.image} nor {runtime.local_image} is here",
        f"{pull}; or without a registry: {build}",
    )
