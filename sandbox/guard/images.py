"""The images that cells may be made from: those of the catalogue, by whatever name they go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox.image_choice import read_image
from sandbox.image_name import split_name
from sandbox.proxy import PROXY_IMAGE

if TYPE_CHECKING:
    from config import Catalogue
    from sandbox.guard.engine import GuardedEngine
    from sandbox.image_choice import Image

__all__ = ["GuardedImages"]

# A worker holds its choice for a minute, in which the name may come to mean another image.
_HOLD_S = 180.0


class GuardedImages:
    """Knows what the engine has under the catalogue's names, and had a moment ago."""

    def __init__(self, engine: GuardedEngine, catalogue: Catalogue) -> None:
        self._engine = engine
        self._names = {runtime.name: runtime.images for runtime in catalogue.values()}
        self._pulled = {split_name(runtime.image) for runtime in catalogue.values()}
        self._seen: dict[tuple[str, str], tuple[float, Image]] = {}

    def is_runtime(self, name: str) -> bool:
        """Whether the catalogue has a runtime of that name."""
        return name in self._names

    def has(self, name: str) -> bool:
        """Whether one of the catalogue's images is called that, or the proxy's own."""
        return name == PROXY_IMAGE or any(name in names for names in self._names.values())

    def may_pull(self, repository: str, tag: str) -> bool:
        """Whether that is an image of the catalogue; a pinned one goes by its digest alone."""
        return (repository, tag) in self._pulled

    async def find(self, runtime: str, image_id: str) -> Image | None:
        """The image with that id, if it is one of the runtime's or the proxy's own."""
        names = (*self._names[runtime], PROXY_IMAGE)
        if (image := self._known(names, image_id)) is None:
            for name in names:
                await self.look(name)
            image = self._known(names, image_id)
        return image

    async def look(self, name: str) -> None:
        """See what the engine has under `name` now."""
        found = await self._engine.inspect("images", *name.split("/"), "json")
        if found is not None and (image := read_image(found, name)):
            self._seen[name, image.id] = time.monotonic(), image

    def _known(self, names: tuple[str, ...], image_id: str) -> Image | None:
        since = time.monotonic() - _HOLD_S
        seen = (self._seen.get((name, image_id)) for name in names)
        return next((image for at, image in filter(None, seen) if at > since), None)
