"""`cellblock guard`: filters the requests to the engine's socket."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from config import load_catalogue, load_settings
from sandbox.engines.docker.guard import serve
from sandbox.limits import check_catalogue
from sandbox.log_lines import log_formatter

__all__ = ["guard"]


def guard(
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The guard's own address: tcp://HOST:PORT or unix://PATH.")
    ] = "tcp://127.0.0.1:2375",
) -> None:
    """Let the requests of a worker through to the engine, and no others.

    Anyone who reaches the engine's socket controls its host. Behind the guard, even a worker that an attacker
    has taken over can only make cells of the profile from images of the catalogue, and end and remove them.
    The guard needs the workers' settings: the deployment's name, the maxima, the catalogue, the hosts that
    jobs may list.
    """
    settings = load_settings()
    check_catalogue(load_catalogue(settings.runtimes), settings)
    handler = logging.StreamHandler()
    handler.setFormatter(log_formatter(settings.log_format, process="Guard"))
    logging.basicConfig(handlers=[handler], level=settings.log_level)
    asyncio.run(serve(settings, listen))
