"""The images that containers may be made from: those of the catalogue, and the proxy's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox.egress.proxy import PROXY_IMAGE
from sandbox.engines.docker.image_choice import read_image, split_name

if TYPE_CHECKING:
    from config import Catalogue
    from sandbox.engines.docker.guard.engine import GuardedEngine
    from sandbox.engines.image import Image

__all__ = ["GuardedImages"]

# A worker keeps its choice for a minute. In that time the name may be given to another image.
_HOLD_S = 180.0


class GuardedImages:
    """Knows which images have the catalogue's names in the engine, or had them a moment ago."""

    def __init__(self, engine: GuardedEngine, catalogue: Catalogue) -> None:
        self._engine = engine
        self._names = {one.name: (*one.images, *one.compiler.images) for one in catalogue.values()}
        self._pulled = {
            split_name(image)
            for one in catalogue.values()
            for image in (one.image, one.compiler.image)
            if not one.is_built
        }
        self._seen: dict[tuple[str, str], tuple[float, Image]] = {}

    def is_runtime(self, name: str) -> bool:
        """Whether the catalogue has a runtime of that name."""
        return name in self._names

    def has(self, name: str) -> bool:
        """Whether this is the name of an image of the catalogue, or of the proxy's."""
        return name == PROXY_IMAGE or any(name in names for names in self._names.values())

    def may_pull(self, repository: str, tag: str) -> bool:
        """Whether this is an image of the catalogue. The `tag` of a pinned image is its digest."""
        return (repository, tag) in self._pulled

    async def find(self, runtime: str, image_id: str) -> Image | None:
        """The image with this id, if it is one of the runtime's images or the proxy's."""
        names = (*self._names[runtime], PROXY_IMAGE)
        if (image := self._known(names, image_id)) is None:
            for name in names:
                await self.look(name)
            image = self._known(names, image_id)
        return image

    async def look(self, name: str) -> None:
        """Ask the engine which image it has under `name` now, and remember it."""
        found = await self._engine.inspect("images", *name.split("/"), "json")
        if found is not None and (image := read_image(found, name)):
            self._seen[name, image.id] = time.monotonic(), image

    def _known(self, names: tuple[str, ...], image_id: str) -> Image | None:
        since = time.monotonic() - _HOLD_S
        seen = (self._seen.get((name, image_id)) for name in names)
        return next((image for at, image in filter(None, seen) if at > since), None)
