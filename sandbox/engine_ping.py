"""Whether the engine answers at all, asked on a connection of its own."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

import docker
import docker.errors

from sandbox.docker_client import PROXY_ALONE, docker_address, mapped_errors
from sandbox.errors import EngineUnreachable

if TYPE_CHECKING:
    from config import Settings
    from sandbox.errors import SandboxUnavailable

__all__ = ["level_of", "ping"]

# Of the margin, what an engine that is there may need to say so.
_SHARE = 1 / 3


def ping(settings: Settings) -> None:
    """Return once the engine has answered.

    Raises:
        EngineUnreachable: it does not within a third of a margin, or lets nobody in.
    """
    address = docker_address(settings)
    # With a version given, the SDK asks for none.
    with (
        mapped_errors("answer", address),
        closing(docker.APIClient(base_url=address, version="1.41", timeout=_patience_s(settings))) as client,
    ):
        # As the clock is asked: by the one path that every proxy lets through.
        answer = client.get(f"{client.base_url}/_ping", timeout=client.timeout)
        if answer.status_code in PROXY_ALONE:
            raise docker.errors.APIError("away", response=answer)


def level_of(error: SandboxUnavailable) -> int:
    """How loud an error of the engine's is told by who is not the first to meet it.

    That the engine is away is told once, by the worker that stops taking jobs.
    """
    return logging.DEBUG if isinstance(error, EngineUnreachable) else logging.WARNING


def _patience_s(settings: Settings) -> int:
    return max(1, round(settings.margin * _SHARE))
