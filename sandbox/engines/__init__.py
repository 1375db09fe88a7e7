"""The engines that make cells: a package for each, behind the protocol in `engine`."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings
    from sandbox.engines.engine import Engine
    from sandbox.engines.image import Images

__all__ = ["open_engine", "open_images"]


def open_engine(settings: Settings) -> Engine:
    """The engine that the settings ask for. It connects when it is first used."""
    if settings.engine_name == "host":
        from sandbox.engines.host.engine import HostEngine

        return HostEngine()
    if settings.engine_name == "oci":
        from sandbox.engines.oci.engine import OciEngine

        return OciEngine(settings)
    # Imported here, so that a host without Docker's SDK can still run the legacy mode and check requests.
    from sandbox.engines.docker.engine import DockerEngine

    return DockerEngine(settings)


@contextmanager
def open_images(settings: Settings) -> Iterator[Images]:
    """The images of the engine that the settings ask for; with the engine `host`, those of Docker.

    Raises:
        SandboxUnavailable: there is no Docker engine, no permission, or no answer.
    """
    if settings.engine_name == "oci":
        from sandbox.engines.oci.images import OciImages
        from sandbox.engines.oci.store import Store

        yield OciImages(Store(settings.store))
        return
    from sandbox.engines.docker.client import connect
    from sandbox.engines.docker.images import DockerImages

    with closing(connect(settings)) as client:
        yield DockerImages(client)
