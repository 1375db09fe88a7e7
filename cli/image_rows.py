"""What `cellblock images ls` says of each runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.engines.docker.image_choice import choose_image

if TYPE_CHECKING:
    import docker

    from config import Runtime
    from sandbox.engines.docker.image_choice import Image

__all__ = ["image_row"]


def image_row(client: docker.APIClient, runtime: Runtime) -> dict[str, str | int | None]:
    """The image that would be used for `runtime`, and why; sizes in bytes, None where there is no image."""
    image = choose_image(client, runtime)
    return {
        "runtime": runtime.name,
        "image": image.name if image else None,
        "id": image.id if image else None,
        "digest": image.digest if image else None,
        "size": format_bytes(image.size_bytes) if image else None,
        "size_bytes": image.size_bytes if image else None,
        "why": _why(runtime, image),
    }


def _why(runtime: Runtime, image: Image | None) -> str:
    pinned = ", which is pinned" if runtime.is_pinned else ""
    if image is None:
        mend = "pull it" if runtime.is_pinned else "pull or build it"
        return f"{runtime.image}{pinned}: {mend}"
    if image.name == runtime.image:
        return f"the named image is here{pinned}"
    return f"{runtime.image} is not here, the local build is"
