"""What `cellblock images ls` says of each runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.image_choice import find_image

if TYPE_CHECKING:
    import docker

    from config import Runtime

__all__ = ["image_row"]


def image_row(client: docker.APIClient, runtime: Runtime) -> dict[str, str | int | None]:
    """The image that would be used for `runtime`, and why; sizes in bytes, None where there is no image."""
    named, local = find_image(client, runtime.image), find_image(client, runtime.local_image)
    image = named or local
    return {
        "runtime": runtime.name,
        "image": image.name if image else None,
        "id": image.id if image else None,
        "digest": image.digest if image else None,
        "size": format_bytes(image.size_bytes) if image else None,
        "size_bytes": image.size_bytes if image else None,
        "why": _why(runtime, named=named is not None, local=local is not None),
    }


def _why(runtime: Runtime, *, named: bool, local: bool) -> str:
    if named:
        return "the named image is here"
    return (
        f"{runtime.image} is not here, the local build is" if local else f"{runtime.image}: pull or build it"
    )
