"""Pulls images from a registry, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engines.docker.client import mapped_errors
from sandbox.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

__all__ = ["LayerProgress", "pull_image"]


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """How many bytes of one layer are done. `total_bytes` is 0 while it is not known."""

    layer: str
    step: str
    done_bytes: int
    total_bytes: int


def pull_image(client: docker.APIClient, name: str) -> Iterator[LayerProgress]:
    """Pull the image called `name`, and yield the progress of its layers.

    Raises:
        SandboxUnavailable: the registry does not answer, or has no such image.
    """
    failure = ""
    with mapped_errors(f"pull {name}"):
        # Always read the answer to its end. Otherwise its connection stays open.
        for line in client.pull(name, stream=True, decode=True):
            failure = failure or line.get("error", "")
            detail = line.get("progressDetail") or {}
            yield LayerProgress(
                line.get("id", ""), line.get("status", ""), detail.get("current", 0), detail.get("total", 0)
            )
    if failure:
        raise EngineFailed(f"The engine could not pull {name}: {failure}")
