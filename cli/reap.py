"""`cellblock reap`: removes by hand what the workers' keepers remove by themselves."""

from __future__ import annotations

from contextlib import closing

from cli.options import Json
from cli.show import print_json, say
from config import load_settings
from sandbox.engines import open_engine
from sandbox.reaper import reap as reap_containers

__all__ = ["reap"]


def reap(as_json: Json = False) -> None:
    """Remove containers that are past their deadline.

    Also those that are dead and not removed; but only this deployment's. Every worker does so by itself,
    at its start and then regularly. Containers of other deployments are never touched. Prints the names of
    the removed containers.
    """
    settings = load_settings()
    with closing(open_engine(settings)) as engine:
        removed = reap_containers(engine, settings)
    if as_json:
        print_json(removed)
    else:
        for name in removed:
            say(name)
