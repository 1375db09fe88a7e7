"""The engines that make cells: a package for each, behind the protocol in `engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import Settings
    from sandbox.engines.engine import Engine

__all__ = ["open_engine"]


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
