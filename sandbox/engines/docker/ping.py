"""Asks on a new connection whether the engine answers at all."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import docker
import docker.errors

from sandbox.engines.docker.client import PROXY_ALONE, docker_address, mapped_errors

if TYPE_CHECKING:
    from config import Settings

__all__ = ["ping"]

# The share of the margin that a working engine may need to answer.
_SHARE = 1 / 3


def ping(settings: Settings) -> None:
    """Return once the engine has answered.

    Raises:
        EngineUnreachable: it does not answer within a third of the margin, or permission is denied.
    """
    address = docker_address(settings)
    # With a version given, the SDK does not ask the engine for one.
    with (
        mapped_errors("answer", address),
        closing(docker.APIClient(base_url=address, version="1.41", timeout=_patience_s(settings))) as client,
    ):
        # The same path as for the engine's clock: the one that every proxy lets through.
        answer = client.get(f"{client.base_url}/_ping", timeout=client.timeout)
        if answer.status_code in PROXY_ALONE:
            raise docker.errors.APIError("away", response=answer)


def _patience_s(settings: Settings) -> int:
    return max(1, round(settings.engine_margin * _SHARE))
